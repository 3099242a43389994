/* WebSocket frames: RFC 6455 sections 5, 7.4 and 8.1, without extensions. A message is returned
 * whole and unmasked. Its text is checked as it arrives, so that a text that is not UTF-8 is
 * refused before its last frame. */
#include "base/codec/ws.h"

#include <openssl/evp.h>
#include <sodium.h>

#include "base/caps.h"
#include "base/codec/base64.h"
#include "base/err.h"
#include "base/utf8.h"

enum {
	BIT_FIN = 0x80,
	BITS_RSV = 0x70,
	BITS_OP = 0x0f,
	BIT_MASK = 0x80,
	BITS_LENGTH = 0x7f,
	LENGTH_16 = 126,
	LENGTH_64 = 127,
	OP_CONTROL = 8, /* the bit of an opcode that marks a control frame */
};

void
ws_reader_init(struct ws_reader *r, bool masked, size_t message_cap)
{
	*r = (struct ws_reader){ .masked = masked, .message_cap = message_cap };
	buf_init(&r->message, message_cap);
}

void
ws_reader_free(struct ws_reader *r)
{
	buf_free(&r->message);
}

static int
refuse_frame(struct ws_reader *r, int err, enum ws_code code, const char *why)
{
	r->state = WS_IN_CLOSED;
	r->wrong = code;
	r->why = why;
	return err;
}

#define PROTOCOL(r, why) refuse_frame(r, ERR_SYNTAX, WS_PROTOCOL_ERROR, why)

/* Returns true if a close frame may carry this code. */
static bool
ws_code_sent(unsigned code)
{
	if (code < 1000 || code > 4999)
		return false;
	return code >= 3000 ||
	       (code <= 1014 && code != 1004 && code != WS_NO_STATUS && code != WS_ABNORMAL);
}

/* ---- a frame's head ---- */

/* Returns the number of bytes of the head, from its first two. */
static size_t
head_bytes(const unsigned char head[2])
{
	size_t length = head[1] & BITS_LENGTH;

	return 2 +
	       (length == LENGTH_16	     ? 2u
		       : length == LENGTH_64 ? 8u
					     : 0u) +
	       (head[1] & BIT_MASK ? 4u : 0u);
}

/* Checks the first two bytes before the rest of the head is awaited. */
static int
check_start(struct ws_reader *r)
{
	unsigned char op = r->head[0] & BITS_OP;
	size_t length = r->head[1] & BITS_LENGTH;
	bool fin = r->head[0] & BIT_FIN;

	if (r->head[0] & BITS_RSV)
		return PROTOCOL(r, "a reserved bit is set");
	if (!!(r->head[1] & BIT_MASK) != r->masked)
		return PROTOCOL(r, r->masked ? "a frame is not masked" : "a frame is masked");
	switch (op) {
	case WS_CONTINUATION:
		return r->message_op ? 0
				     : PROTOCOL(r, "a continuation frame without a message");
	case WS_TEXT:
	case WS_BINARY: return r->message_op ? PROTOCOL(r, "a message inside a message") : 0;
	case WS_CLOSE:
	case WS_PING:
	case WS_PONG:
		if (!fin)
			return PROTOCOL(r, "a control frame is fragmented");
		return length > WS_CONTROL_MAX ? PROTOCOL(r, "a control frame is too long") : 0;
	default: return PROTOCOL(r, "the opcode is unknown");
	}
}

/* Reads the length, which must be in its shortest form (RFC 6455 5.2). */
static int
read_length(struct ws_reader *r, const unsigned char **mask)
{
	size_t n = r->head[1] & BITS_LENGTH, more = n == LENGTH_16 ? 2 : n == LENGTH_64 ? 8 : 0;

	r->left = more ? 0 : n;
	for (size_t i = 0; i < more; i++)
		r->left = r->left << 8 | r->head[2 + i];
	*mask = r->head + 2 + more;
	if ((more == 2 && r->left < LENGTH_16) || (more == 8 && r->left <= 0xffff))
		return PROTOCOL(r, "a length is not in its shortest form");
	return r->left >> 63 ? PROTOCOL(r, "a length has more than 63 bits") : 0;
}

static int
ws_begin_frame(struct ws_reader *r)
{
	const unsigned char *mask;
	int err = read_length(r, &mask);

	if (err)
		return err;
	if (r->masked)
		memcpy(r->mask, mask, sizeof(r->mask));
	r->op = r->head[0] & BITS_OP;
	r->fin = r->head[0] & BIT_FIN;
	r->at = 0;
	r->head_n = 0;
	r->state = WS_IN_PAYLOAD;
	if (r->op & OP_CONTROL) {
		r->control_n = 0;
		return 0;
	}
	if (r->op) {
		r->message_op = r->op;
		r->fragments = 0;
		r->checked = 0;
	}
	if (++r->fragments > CAP_SOCKET_FRAGMENTS)
		return refuse_frame(r, ERR_LIMIT, WS_TOO_BIG, "a message has too many frames");
	INVARIANT(r->message.n <= r->message_cap);
	if (r->left > r->message_cap - r->message.n)
		return refuse_frame(r, ERR_LIMIT, WS_TOO_BIG, "a message is too long");
	return 0;
}

/* ---- payload ---- */

/* Unmasks eight bytes at a time, with the mask rotated to the position of the run. */
static void
unmask_payload(const unsigned char mask[4], size_t at, const char *from, char *to, size_t n)
{
	unsigned char turned[8];
	uint64_t word, key;
	size_t i = 0;

	for (size_t k = 0; k < sizeof(turned); k++)
		turned[k] = mask[(at + k) % 4];
	memcpy(&key, turned, sizeof(key));
	for (; i + sizeof(word) <= n; i += sizeof(word)) {
		memcpy(&word, from + i, sizeof(word));
		word ^= key;
		memcpy(to + i, &word, sizeof(word));
	}
	for (; i < n; i++)
		to[i] = (char)(from[i] ^ turned[i % 8]);
}

/* Returns true if these bytes are the beginning of a character that is not complete. */
static bool
may_become_utf8(const char *p, size_t n)
{
	static const char ends[] = { (char)0x80, (char)0xbf };

	for (size_t i = 0; i < sizeof(ends); i++) {
		char whole[8];
		memset(whole, ends[i], sizeof(whole));
		memcpy(whole, p, n);
		if (utf8_sequence(whole, sizeof(whole)) > n)
			return true;
	}
	return false;
}

/* Checks the text that has arrived. At its end, no character may be incomplete. */
static int
ws_check_text(struct ws_reader *r)
{
	struct span t = buf_view(&r->message);
	bool ends = r->fin && r->left == 0;

	INVARIANT(r->checked <= t.n);
	uint64_t word;

	while (r->checked < t.n) {
		while (r->checked + sizeof(word) <= t.n) {
			memcpy(&word, t.p + r->checked, sizeof(word));
			if (word & UINT64_C(0x8080808080808080))
				break;
			r->checked += sizeof(word);
		}
		if (r->checked == t.n)
			break;
		size_t left = t.n - r->checked;
		size_t n = utf8_sequence(t.p + r->checked, left);
		if (n == 0 && !ends && left < 4 && may_become_utf8(t.p + r->checked, left))
			return 0;
		if (n == 0)
			return refuse_frame(r, ERR_ENCODING, WS_INVALID_DATA,
				"a text message is not UTF-8");
		r->checked += n;
	}
	return 0;
}

static int
ws_take_data(struct ws_reader *r, struct span piece)
{
	char *to = piece.n ? buf_reserve(&r->message, piece.n) : NULL;

	if (piece.n && !to)
		return refuse_frame(r, ERR_NOMEM, WS_INTERNAL, "out of memory");
	if (piece.n && r->masked)
		unmask_payload(r->mask, r->at, piece.p, to, piece.n);
	else if (piece.n)
		memcpy(to, piece.p, piece.n);
	buf_commit(&r->message, piece.n);
	return 0;
}

static int
ws_end_control(struct ws_reader *r, struct ws_message *out)
{
	struct span payload = span_of(r->control, r->control_n);

	out->op = r->op;
	out->payload = payload;
	if (r->op != WS_CLOSE)
		return 0;
	r->state = WS_IN_CLOSED;
	out->code = WS_NO_STATUS;
	if (payload.n == 0)
		return 0;
	unsigned code = payload.n < 2 ? 0u : (unsigned)r->control[0] << 8 | r->control[1];
	out->payload = span_cut(payload, 2, payload.n);
	if (!ws_code_sent(code)) {
		out->op = WS_CONTINUATION;
		return PROTOCOL(r, "a close frame has an invalid code");
	}
	if (!utf8_valid(out->payload)) {
		out->op = WS_CONTINUATION;
		return refuse_frame(r, ERR_ENCODING, WS_INVALID_DATA,
			"the reason in a close frame is not UTF-8");
	}
	out->code = code;
	return 0;
}

static int
ws_end_frame(struct ws_reader *r, struct ws_message *out)
{
	INVARIANT(r->left == 0 && !r->given);
	r->state = WS_IN_HEAD;
	if (r->op & OP_CONTROL)
		return ws_end_control(r, out);
	if (!r->fin)
		return 0;
	out->op = r->message_op;
	out->payload = buf_view(&r->message);
	r->message_op = 0;
	r->given = true;
	return 0;
}

static ssize_t
take_payload(struct ws_reader *r, struct span in, struct ws_message *out)
{
	struct span piece = span_cut(in, 0, r->left < in.n ? (size_t)r->left : in.n);
	int err = 0;

	INVARIANT(r->state == WS_IN_PAYLOAD);
	if (r->op & OP_CONTROL) {
		INVARIANT(r->control_n + piece.n <= sizeof(r->control));
		unmask_payload(
			r->mask, r->at, piece.p, (char *)r->control + r->control_n, piece.n);
		r->control_n += piece.n;
	} else {
		err = ws_take_data(r, piece);
	}
	r->at += piece.n;
	r->left -= piece.n;
	if (!err && !(r->op & OP_CONTROL) && r->message_op == WS_TEXT)
		err = ws_check_text(r);
	if (!err && r->left == 0)
		err = ws_end_frame(r, out);
	return err ? err : (ssize_t)piece.n;
}

ssize_t
ws_next(struct ws_reader *r, struct span in, struct ws_message *out)
{
	size_t n = 0;

	*out = (struct ws_message){ .op = WS_CONTINUATION };
	if (r->given)
		buf_free(&r->message);
	r->given = false;
	while (out->op == WS_CONTINUATION && (n < in.n)) {
		if (r->state == WS_IN_CLOSED) {
			if (r->why)
				return ERR_SYNTAX;
			return (ssize_t)in.n;
		}
		int err = 0;
		if (r->state == WS_IN_HEAD) {
			INVARIANT(r->head_n < sizeof(r->head));
			r->head[r->head_n++] = (unsigned char)in.p[n++];
			if (r->head_n == 2)
				err = check_start(r);
			if (!err && r->head_n >= 2 && r->head_n == head_bytes(r->head))
				err = ws_begin_frame(r);
			if (err)
				return err;
			if (r->state != WS_IN_PAYLOAD || r->left)
				continue;
		}
		ssize_t took = take_payload(r, span_cut(in, n, in.n), out);
		if (took < 0)
			return took;
		n += (size_t)took;
	}
	return (ssize_t)n;
}

/* ---- writing ---- */

void
ws_put(struct buf *out, enum ws_op op, bool fin, struct span payload,
	const unsigned char mask[4])
{
	unsigned char head[WS_HEAD_MAX];
	size_t n = 2;

	head[0] = (unsigned char)((fin ? BIT_FIN : 0) | op);
	if (payload.n < LENGTH_16) {
		head[1] = (unsigned char)payload.n;
	} else {
		size_t more = payload.n <= 0xffff ? 2 : 8;
		head[1] = more == 2 ? LENGTH_16 : LENGTH_64;
		for (size_t i = more; i-- > 0;)
			head[n++] = (unsigned char)((uint64_t)payload.n >> 8 * i);
	}
	if (mask) {
		head[1] |= BIT_MASK;
		memcpy(head + n, mask, 4);
		n += 4;
	}
	buf_put(out, head, n);
	char *to = payload.n ? buf_reserve(out, payload.n) : NULL;
	if (!to)
		return;
	if (mask)
		unmask_payload(mask, 0, payload.p, to, payload.n);
	else
		memcpy(to, payload.p, payload.n);
	buf_commit(out, payload.n);
}

void
ws_put_close(
	struct buf *out, enum ws_code code, struct span reason, const unsigned char mask[4])
{
	char payload[WS_CONTROL_MAX];
	size_t n = 0, next;

	if (code == WS_NO_STATUS) {
		ws_put(out, WS_CLOSE, true, SPAN_LIT(""), mask);
		return;
	}
	payload[0] = (char)(code >> 8);
	payload[1] = (char)(code & 0xff);
	while (n < reason.n && (next = utf8_sequence(reason.p + n, reason.n - n)) &&
		n + next <= WS_REASON_MAX)
		n += next;
	memcpy(payload + 2, reason.p ? reason.p : "", n);
	ws_put(out, WS_CLOSE, true, span_of(payload, 2 + n), mask);
}

/* ---- the handshake ---- */

bool
ws_asked(const struct http_head *h)
{
	static const char *const bodies[] = { "content-length", "transfer-encoding", "expect" };
	const struct http_field *f;
	struct span v;
	bool upgrade = false;

	if (!span_is(h->method, "GET") || http_field_one(h, "upgrade", &v) != 1 ||
		!span_ieq(v, SPAN_LIT("websocket")) ||
		http_field_one(h, "sec-websocket-version", &v) != 1 || !span_is(v, "13"))
		return false;
	for (size_t i = 0; i < COUNT_OF(bodies); i++)
		if (http_field_nth(h, bodies[i], 0))
			return false;
	for (size_t i = 0; (f = http_field_nth(h, "connection", i)); i++) {
		if (http_lists(f->value, SPAN_LIT("http2-settings")))
			return false;
		upgrade |= http_lists(f->value, SPAN_LIT("upgrade"));
	}
	return upgrade;
}

struct span
ws_offered(const struct http_head *h, size_t i)
{
	const struct http_field *f;

	for (size_t k = 0; (f = http_field_nth(h, "sec-websocket-protocol", k)); k++) {
		struct span rest = f->value;
		while (rest.n) {
			struct span one = span_trim(span_next(&rest, ','), " \t");
			if (one.n && i-- == 0)
				return one;
		}
	}
	return (struct span){ NULL, 0 };
}

const char *
ws_accepted(const struct http_head *h, struct span key)
{
	char want[WS_ACCEPT_BYTES];
	struct span v;

	ws_accept(key, want);
	if (http_field_one(h, "upgrade", &v) != 1 || !span_ieq(v, SPAN_LIT("websocket")))
		return "the response has status 101 but is not a WebSocket handshake";
	if (http_field_one(h, "sec-websocket-accept", &v) != 1 || !span_is(v, want))
		return "the response has status 101 but does not accept the key";
	if (http_field_nth(h, "sec-websocket-extensions", 0))
		return "the response has status 101 and an extension that was not offered";
	return http_field_nth(h, "sec-websocket-protocol", 0)
		       ? "the response has status 101 and a subprotocol that was not offered"
		       : NULL;
}

void
ws_accept(struct span key, char out[WS_ACCEPT_BYTES])
{
	static const char magic[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	char text[WS_KEY_BYTES + sizeof(magic)];
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	key = span_cut(key, 0, WS_KEY_BYTES - 1);
	memcpy(text, key.p ? key.p : "", key.n);
	memcpy(text + key.n, magic, sizeof(magic) - 1);
	EVP_Digest(text, key.n + sizeof(magic) - 1, hash, &n, EVP_sha1(), NULL);
	sodium_bin2base64(out, WS_ACCEPT_BYTES, hash, n, sodium_base64_VARIANT_ORIGINAL);
}

bool
ws_key_valid(struct span key)
{
	unsigned char random[16];
	size_t n;

	return base64_get(key, random, sizeof(random), &n) == 0 && n == sizeof(random);
}

void
ws_key_of(const unsigned char random[16], char out[WS_KEY_BYTES])
{
	sodium_bin2base64(out, WS_KEY_BYTES, random, 16, sodium_base64_VARIANT_ORIGINAL);
}
