/* Any cut gives the same messages and the same refusal. If libwslay is installed, it must read
 * the same messages. The first byte selects the width of the pieces and the sender of the
 * frames. */
#include <stdlib.h>

#include "base/caps.h"
#include "base/codec/ws.h"

#if __has_include(<wslay/wslay.h>)
#include <wslay/wslay.h>
#define ORACLE 1
#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CAP = 1 << 16 };

static void
say(struct buf *out, unsigned op, unsigned code, struct span payload)
{
	buf_printf(out, "%u,%u,%zu:", op, code, payload.n);
	buf_span(out, payload);
}

/* Returns the code of the refusal; 0: not refused. */
static unsigned
read_frames(struct span in, bool masked, size_t step, struct buf *out)
{
	struct ws_reader r;
	struct ws_message m;
	unsigned wrong = 0;

	ws_reader_init(&r, masked, CAP);
	for (size_t at = 0; at < in.n && !wrong; at += step) {
		struct span piece = span_cut(in, at, at + step);
		while (piece.n && !wrong) {
			ssize_t n = ws_next(&r, piece, &m);
			if (n < 0)
				wrong = r.wrong;
			if (n == 0)
				abort();
			if (m.op)
				say(out, m.op, m.code, m.payload);
			if (n > 0)
				piece = span_cut(piece, (size_t)n, piece.n);
		}
		if (r.message.n > CAP)
			abort();
	}
	ws_reader_free(&r);
	return wrong;
}

#ifdef ORACLE
struct oracle {
	struct span in;
	struct buf out;
};

static ssize_t
oracle_reads(wslay_event_context_ptr ctx, uint8_t *to, size_t n, int flags, void *user)
{
	struct oracle *o = user;

	(void)flags;
	if (o->in.n == 0) {
		wslay_event_set_error(ctx, WSLAY_ERR_WOULDBLOCK);
		return -1;
	}
	n = n < o->in.n ? n : o->in.n;
	memcpy(to, o->in.p, n);
	o->in = span_cut(o->in, n, o->in.n);
	return (ssize_t)n;
}

static ssize_t
oracle_writes(wslay_event_context_ptr ctx, const uint8_t *p, size_t n, int flags, void *user)
{
	(void)ctx;
	(void)p;
	(void)flags;
	(void)user;
	return (ssize_t)n;
}

static int
oracle_masks(wslay_event_context_ptr ctx, uint8_t *to, size_t n, void *user)
{
	(void)ctx;
	(void)user;
	memset(to, 1, n);
	return 0;
}

static void
oracle_took(
	wslay_event_context_ptr ctx, const struct wslay_event_on_msg_recv_arg *arg, void *user)
{
	struct oracle *o = user;
	struct span payload = span_of(arg->msg, arg->msg_length);
	bool close = arg->opcode == WSLAY_CONNECTION_CLOSE;

	(void)ctx;
	if (close && payload.n == 1)
		return; /* half a close code, which libwslay ignores */
	say(&o->out, arg->opcode,
		!close		? 0
		: payload.n < 2 ? WS_NO_STATUS
				: arg->status_code,
		close ? span_cut(payload, 2, payload.n) : payload);
}

static void
ask_oracle(struct span in, bool masked, const struct buf *ours, unsigned wrong)
{
	static const struct wslay_event_callbacks calls = { .recv_callback = oracle_reads,
		.send_callback = oracle_writes,
		.genmask_callback = oracle_masks,
		.on_msg_recv_callback = oracle_took };
	struct oracle o = { .in = in };
	wslay_event_context_ptr ctx;

	buf_init(&o.out, 0);
	if ((masked ? wslay_event_context_server_init : wslay_event_context_client_init)(
		    &ctx, &calls, &o))
		abort();
	wslay_event_config_set_max_recv_msg_length(ctx, CAP);
	(void)wslay_event_recv(ctx);
	/* libwslay does not know the codes 1012 to 1014, and accepts any number of frames in a
	 * message. */
	struct span theirs = buf_view(&o.out), mine = buf_view(ours);
	bool later = false;
	for (size_t i = 0; i + 7 < mine.n; i++)
		later |= !memcmp(mine.p + i, "8,1012,", 7) ||
			 !memcmp(mine.p + i, "8,1013,", 7) || !memcmp(mine.p + i, "8,1014,", 7);
	if (!later && wrong != WS_TOO_BIG && !span_eq(theirs, mine))
		abort();
	wslay_event_context_free(ctx);
	buf_free(&o.out);
}
#endif

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole, cut;

	if (size < 1)
		return 0;
	struct span in = span_of(data + 1, size - 1);
	bool masked = data[0] & 1;
	buf_init(&whole, 0);
	buf_init(&cut, 0);
	unsigned wrong = read_frames(in, masked, in.n ? in.n : 1, &whole);
	if (read_frames(in, masked, (size_t)(data[0] >> 1) % 16 + 1, &cut) != wrong ||
		!span_eq(buf_view(&whole), buf_view(&cut)))
		abort();
#ifdef ORACLE
	ask_oracle(in, masked, &whole, wrong);
#endif
	buf_free(&whole);
	buf_free(&cut);
	return 0;
}
