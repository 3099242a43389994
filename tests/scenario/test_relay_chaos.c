/* Many concurrent callers and random faults: requests and responses in pieces of any size, in
 * every framing and body mode, peers that disconnect anywhere, records that fail. Two
 * properties must hold throughout: no caller receives a byte of another one, and a message that
 * looks whole is whole. The random numbers are seeded; a failure prints its seed and can be
 * repeated. */
#include "scenario/relay_stage.h"

#include "answer/vault.h"

#define CALLERS	  12
#define PROVIDERS 64
#define ROUNDS	  6000

static uint64_t dice;

static unsigned
roll(unsigned n)
{
	dice = dice * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(dice >> 33) % n;
}

static size_t
any_size(void)
{
	switch (roll(8)) {
	case 0: return 0;
	case 1: return 1 + roll(300000);
	case 2: return 1 + roll(30000);
	default: return 1 + roll(900);
	}
}

/* All bytes of a caller are its letter. Its number is in the ticket and the path. */
struct caller {
	struct peer p;
	unsigned number;
	enum exchange_body mode;
	size_t body_bytes;
	struct buf out; /* not written yet */
	size_t want;	/* bytes of the response, by its head */
	bool busy;
};

struct provider {
	struct peer p;
	struct buf out;
	bool closes; /* closes after `out` */
	bool vanish; /* disconnects before all of `out` was sent */
};

static struct caller callers[CALLERS];
static struct provider providers[PROVIDERS];
static size_t whole_answers, whole_requests, denials;
static unsigned numbers;

static char
letter(unsigned number)
{
	return (char)('A' + number % 26);
}

static void
scripted(struct exchange *x)
{
	struct span ticket = x->claim->ticket;
	static const enum exchange_body modes[] = { BODY_NONE, BODY_COPY, BODY_SWAP,
		BODY_DEFER };
	struct buf *own = &x->own;

	x->plan.body_mode = modes[ticket.p[0] - '0'];
	x->plan.reads_answer = roll(2);
	buf_putc(own, '/');
	buf_span(own, span_cut(ticket, 1, ticket.n));
	if (x->plan.body_mode == BODY_SWAP) {
		/* Replaced by as many bytes of the same letter. */
		unsigned number = (unsigned)strtoul(ticket.p + 1, NULL, 10);
		size_t at = own->n, n = any_size();
		memset(buf_reserve(own, n + 1), letter(number), n + 1);
		buf_commit(own, n);
		x->plan.body = span_cut(buf_view(own), at, at + n);
	}
	x->plan.head.path = span_cut(buf_view(own), 0, ticket.n);
}

static void
put_body(struct buf *b, size_t n, char c, bool chunked)
{
	char line[HTTP_CHUNK_MAX];

	while (n) {
		size_t k = chunked ? 1 + roll(n < 20000 ? (unsigned)n : 20000) : n;
		if (chunked)
			buf_put(b, line, http_chunk_line(line, k));
		memset(buf_reserve(b, k), c, k);
		buf_commit(b, k);
		if (chunked)
			buf_str(b, "\r\n");
		n -= k;
	}
	if (chunked)
		buf_str(b, roll(4) ? HTTP_LAST_CHUNK : "0\r\nx-trailer: y\r\n\r\n");
}

static void
caller_asks(struct stage *s, struct caller *c)
{
	static const enum exchange_body modes[] = { BODY_NONE, BODY_COPY, BODY_SWAP,
		BODY_DEFER };
	unsigned m = roll(4);
	bool chunked = m && roll(2);

	if (c->p.fd < 0)
		c->p = edge_connect(s);
	c->number = numbers++;
	c->mode = modes[m];
	c->body_bytes = m ? any_size() : 0;
	/* A request without a body that is decided for BODY_COPY must not be chunked. */
	buf_printf(&c->out, "POST / HTTP/1.1\r\nhost: h\r\nx-tollgate-ticket: %u%u\r\n", m,
		c->number);
	if (chunked)
		buf_str(&c->out, "transfer-encoding: chunked\r\n");
	else if (m)
		buf_printf(&c->out, "content-length: %zu\r\n", c->body_bytes);
	buf_str(&c->out, "\r\n");
	if (m)
		put_body(&c->out, c->body_bytes, letter(c->number), chunked);
	c->busy = true;
}

static void
caller_ends(struct caller *c)
{
	peer_close(&c->p);
	buf_free(&c->out);
	c->busy = false;
}

/* Checks the response so far: it has only the caller's letter, and looks whole only if all of
 * it arrived. */
static void
caller_reads(struct caller *c)
{
	struct http_field fields[32];
	struct http_message m;
	struct http_scan scan = { 0, 0 };
	struct http_body body;
	struct span payload, value;
	size_t got = 0;

	listen_in(&c->p);
	struct span in = buf_view(&c->p.in);
	ssize_t n = http_parse_response(in, &scan, fields, 32, false, &m);
	if (n < 0)
		fail_msg("%u got \"%.*s\"", c->number, SPAN_ARG(span_cut(in, 0, 300)));
	if (n == 0) {
		if (c->p.eof)
			caller_ends(c);
		return;
	}
	in = span_cut(in, (size_t)n, in.n);
	http_body_init(&body, m.framing, m.length);
	bool ours = m.head.status == 200;
	for (; (n = http_body_next(&body, in, &payload)) > 0;
		in = span_cut(in, (size_t)n, in.n)) {
		got += payload.n;
		for (size_t i = 0; ours && i < payload.n; i++)
			if (payload.p[i] != letter(c->number))
				fail_msg("%u (%c) got %c", c->number, letter(c->number),
					payload.p[i]);
	}
	if (n < 0)
		fail_msg("%u got a malformed body", c->number);
	if (body.done) {
		char want[32];
		if (in.n)
			fail_msg("%u got %zu bytes too many", c->number, in.n);
		if (ours) {
			assert_int_equal(http_field_one(&m.head, "x-number", &value), 1);
			snprintf(want, sizeof(want), "/%u", c->number);
			assert_true(span_is(value, want));
			assert_int_equal(http_field_one(&m.head, "x-bytes", &value), 1);
			snprintf(want, sizeof(want), "%zu", got);
			if (!span_is(value, want))
				fail_msg("%u: whole at %zu of %.*s", c->number, got,
					SPAN_ARG(value));
			whole_answers++;
		} else {
			assert_true(m.head.status == 403 || m.head.status == 503);
			denials += m.head.status == 403;
		}
		buf_clear(&c->p.in);
		c->busy = false;
		if (c->out.n || m.close || roll(8) == 0)
			caller_ends(c);
	} else if (c->p.eof) {
		caller_ends(c);
	}
}

static void
write_some(struct peer *p, struct buf *out)
{
	static const unsigned most[] = { 1, 10, 1000, 100000 };
	size_t n = 1 + roll(most[roll(4)]);
	struct span v = span_cut(buf_view(out), 0, n);
	ssize_t k = v.n ? send(p->fd, v.p, v.n, MSG_NOSIGNAL) : 0;

	if (k > 0)
		buf_consume(out, (size_t)k);
}

/* Checks a whole request: its body must be the caller's, or its replacement. */
static void
provider_answers(struct provider *u)
{
	struct http_field fields[32];
	struct http_message m;
	struct http_scan scan = { 0, 0 };
	struct http_body body;
	struct span in = buf_view(&u->p.in), payload;
	ssize_t n = http_parse_request(in, &scan, fields, 32, &m);

	if (n < 0)
		fail_msg("a provider got \"%.*s\"", SPAN_ARG(span_cut(in, 0, 300)));
	if (n == 0)
		return;
	unsigned number = (unsigned)strtoul(m.head.path.p + 1, NULL, 10);
	size_t got = 0;
	in = span_cut(in, (size_t)n, in.n);
	http_body_init(&body, m.framing, m.length);
	for (; (n = http_body_next(&body, in, &payload)) > 0;
		in = span_cut(in, (size_t)n, in.n)) {
		got += payload.n;
		for (size_t i = 0; i < payload.n; i++)
			if (payload.p[i] != letter(number))
				fail_msg("%u sent %c", number, payload.p[i]);
	}
	assert_true(n == 0 && in.n == 0);
	if (!body.done)
		return;
	whole_requests++;
	for (int i = 0; i < CALLERS; i++)
		if (callers[i].busy && callers[i].number == number &&
			(callers[i].mode == BODY_COPY || callers[i].mode == BODY_DEFER) &&
			callers[i].body_bytes != got)
			fail_msg(
				"%u: %zu bytes became %zu", number, callers[i].body_bytes, got);
	size_t bytes = any_size();
	unsigned framing = roll(8);
	if (roll(4) == 0)
		buf_str(&u->out, "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n");
	buf_printf(
		&u->out, "HTTP/1.1 200 OK\r\nx-number: /%u\r\nx-bytes: %zu\r\n", number, bytes);
	if (framing > 1)
		buf_printf(&u->out, "content-length: %zu\r\n", bytes);
	else if (framing == 1)
		buf_str(&u->out, "transfer-encoding: chunked\r\n");
	buf_str(&u->out, "\r\n");
	put_body(&u->out, bytes, letter(number), framing == 1);
	buf_clear(&u->p.in);
	u->closes = framing == 0 || roll(8) == 0;
}

static void
provider_acts(struct provider *u)
{
	if (u->p.fd < 0)
		return;
	if (!u->out.n)
		listen_in(&u->p);
	if (!u->out.n && u->p.in.n)
		provider_answers(u);
	if (u->out.n)
		write_some(&u->p, &u->out);
	/* A body that ends with the close of the connection looks whole if it is cut, so it is
	 * not cut. */
	bool vanish = !u->closes && roll(400) == 0;
	if (vanish || (u->p.eof && !u->out.n) || (u->closes && !u->out.n)) {
		peer_close(&u->p);
		buf_free(&u->out);
		u->closes = false;
	}
}

static void
random_disconnects_leave_nothing_behind(void **state)
{
	struct stage *s = *state;
	struct vault *vault = vault_new();

	assert_int_equal(vault_add(vault, SPAN_LIT("<A_1>"), SPAN_LIT("a")), 0);
	s->gate.helps = true;
	s->gate.scripted = scripted;
	s->gate.plan.body_cap_bytes = 1 << 20;
	stage_start(s);
	for (int i = 0; i < CALLERS; i++)
		callers[i].p.fd = -1;
	for (int i = 0; i < PROVIDERS; i++)
		providers[i].p.fd = -1;
	for (int round = 0; round < ROUNDS; round++) {
		s->gate.claim_s = roll(2) ? 0 : roll(2000) / 1e6;
		s->gate.verdict_s = roll(2) ? 0 : roll(2000) / 1e6;
		s->gate.finish_s = roll(2) ? 0 : roll(2000) / 1e6;
		s->gate.help_s = roll(2) ? 0 : roll(2000) / 1e6;
		s->gate.vault = roll(2) ? vault : NULL;
		s->gate.finish_err = roll(32) ? 0 : ERR_IO;
		s->gate.deny = roll(8) == 0;
		s->gate.hold_cap = roll(64) ? SIZE_MAX : 1000;
		for (int i = 0; i < CALLERS; i++) {
			struct caller *c = &callers[i];
			if (!c->busy && roll(4) == 0)
				caller_asks(s, c);
			if (c->busy && c->out.n)
				write_some(&c->p, &c->out);
			if (c->busy && roll(8)) /* else the caller reads slowly */
				caller_reads(c);
			else if (!c->busy && c->p.fd >= 0 && closed(&c->p))
				caller_ends(c);
			if (c->busy && roll(1000) == 0)
				caller_ends(c);
		}
		int fd = accept4(s->egress_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		for (int i = 0; fd >= 0 && i < PROVIDERS; i++)
			if (providers[i].p.fd < 0) {
				providers[i].p = peer_of(fd);
				fd = -1;
			}
		assert_int_equal(fd, -1);
		for (int i = 0; i < PROVIDERS; i++)
			provider_acts(&providers[i]);
		relay_turn(s);
	}
	for (int i = 0; i < CALLERS; i++)
		caller_ends(&callers[i]);
	for (int i = 0; i < PROVIDERS; i++) {
		peer_close(&providers[i].p);
		buf_free(&providers[i].out);
	}
	until(s, s->gate.finishes == s->gate.opened);
	until(s, LIST_EMPTY(&s->relay->edges));
	print_message(
		"%zu requests, %zu answers and %zu denials were whole, %llu exchanges cut, "
		"%llu connections reused\n",
		whole_requests, whole_answers, denials,
		(unsigned long long)relay_count(s, M_RELAY_ABORTS),
		(unsigned long long)relay_count(s, M_RELAY_REUSED));
	/* The test would prove nothing if nearly all exchanges were cut. */
	assert_true(whole_answers > 200 && denials > 10 && s->gate.asides > 100);
	assert_true(relay_count(s, M_RELAY_ABORTS) > 10 && relay_count(s, M_RELAY_REUSED) > 50);
	vault_free(&vault);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			random_disconnects_leave_nothing_behind, relay_setup, relay_teardown),
	};
	dice = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
	print_message("seed %llu\n", (unsigned long long)dice);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
