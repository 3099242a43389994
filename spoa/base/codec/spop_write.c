/* Writes SPOP 2.0 (SPOE.txt 3): the frames that an agent sends, and their parts. */
#include "base/codec/spop.h"

#include "base/err.h"

#define VARINT_MAX 10

static size_t
varint(char to[VARINT_MAX], uint64_t v)
{
	size_t n = 0;

	if (v < 240) {
		to[n++] = (char)v;
		return n;
	}
	to[n++] = (char)(v | 240);
	v = (v - 240) >> 4;
	for (; v >= 128; v = (v - 128) >> 7)
		to[n++] = (char)(v | 128);
	to[n++] = (char)v;
	return n;
}

static size_t
varint_bytes(uint64_t v)
{
	char ignored[VARINT_MAX];

	return varint(ignored, v);
}

void
spop_put_varint(struct buf *b, uint64_t v)
{
	char at[VARINT_MAX];

	buf_put(b, at, varint(at, v));
}

void
spop_put_string(struct buf *b, struct span s)
{
	spop_put_varint(b, s.n);
	buf_span(b, s);
}

/* Returns the number that the value's varint holds: the number itself, or the length of the
 * bytes. */
static uint64_t
spop_number_of(const struct spop_value *v)
{
	switch (v->type) {
	case SPOP_INT32:
	case SPOP_INT64: return (uint64_t)v->i;
	case SPOP_UINT32:
	case SPOP_UINT64: return v->u;
	default: return v->s.n;
	}
}

void
spop_put_value(struct buf *b, const struct spop_value *v)
{
	buf_putc(b, (char)((unsigned)v->type | (v->type == SPOP_BOOL && v->b ? 16u : 0u)));
	switch (v->type) {
	case SPOP_NULL:
	case SPOP_BOOL: break;
	case SPOP_IPV4:
	case SPOP_IPV6:
		/* spop.c reads no other lengths, and the gateway sends no addresses */
		INVARIANT(v->s.n == (v->type == SPOP_IPV4 ? 4 : 16));
		buf_span(b, v->s);
		break;
	case SPOP_INT32:
	case SPOP_UINT32:
	case SPOP_INT64:
	case SPOP_UINT64: spop_put_varint(b, spop_number_of(v)); break;
	case SPOP_STRING:
	case SPOP_BINARY: spop_put_string(b, v->s); break;
	}
}

static size_t
value_bytes(const struct spop_value *v)
{
	switch (v->type) {
	case SPOP_NULL:
	case SPOP_BOOL: return 1;
	case SPOP_IPV4:
	case SPOP_IPV6: return 1 + v->s.n;
	case SPOP_STRING:
	case SPOP_BINARY: return 1 + varint_bytes(v->s.n) + v->s.n;
	default: return 1 + varint_bytes(spop_number_of(v));
	}
}

size_t
spop_begin(struct buf *b, unsigned type, uint32_t flags, uint64_t stream, uint64_t frame)
{
	size_t at = b->n;
	const char head[9] = { 0, 0, 0, 0, (char)type, (char)(flags >> 24), (char)(flags >> 16),
		(char)(flags >> 8), (char)flags };

	buf_put(b, head, sizeof(head));
	spop_put_varint(b, stream);
	spop_put_varint(b, frame);
	return at;
}

void
spop_end(struct buf *b, size_t at)
{
	if (buf_failed(b))
		return;
	size_t n = b->n - at - 4;
	char *p = b->p + b->start + at;
	p[0] = (char)(n >> 24);
	p[1] = (char)(n >> 16);
	p[2] = (char)(n >> 8);
	p[3] = (char)n;
}

static void
pair(struct buf *b, const char *key, struct spop_value v)
{
	spop_put_string(b, span_str(key));
	spop_put_value(b, &v);
}

void
spop_put_agent_hello(struct buf *b, uint32_t max_frame)
{
	size_t at = spop_begin(b, SPOP_AGENT_HELLO, SPOP_FIN, 0, 0);

	pair(b, "version", (struct spop_value){ .type = SPOP_STRING, .s = SPAN_LIT("2.0") });
	pair(b, "max-frame-size", (struct spop_value){ .type = SPOP_UINT32, .u = max_frame });
	pair(b, "capabilities",
		(struct spop_value){ .type = SPOP_STRING, .s = SPAN_LIT("pipelining") });
	spop_end(b, at);
}

void
spop_put_agent_disconnect(struct buf *b, enum spop_status status)
{
	size_t at = spop_begin(b, SPOP_AGENT_DISCONNECT, SPOP_FIN, 0, 0);

	pair(b, "status-code", (struct spop_value){ .type = SPOP_UINT32, .u = status });
	pair(b, "message",
		(struct spop_value){
			.type = SPOP_STRING, .s = span_str(spop_status_str(status)) });
	spop_end(b, at);
}

/* ACTION-SET-VAR = <1> <NB-ARGS: 3> <VAR-SCOPE:1 byte> <VAR-NAME> <VAR-VALUE> (3.4) */
void
spop_put_ack(struct buf *b, uint64_t stream, uint64_t frame, const struct spop_action *actions,
	size_t n)
{
	size_t at = spop_begin(b, SPOP_ACK, SPOP_FIN, stream, frame);

	for (size_t i = 0; i < n; i++) {
		const char head[3] = { 1, 3, (char)actions[i].scope };
		buf_put(b, head, sizeof(head));
		spop_put_string(b, span_str(actions[i].name));
		spop_put_value(b, &actions[i].value);
	}
	spop_end(b, at);
}

size_t
spop_ack_head_bytes(uint64_t stream, uint64_t frame)
{
	return 1 + 4 + varint_bytes(stream) + varint_bytes(frame);
}

size_t
spop_actions_bytes(const struct spop_action *actions, size_t n)
{
	size_t sum = 0;

	for (size_t i = 0; i < n; i++) {
		size_t name = strlen(actions[i].name);
		sum += 3 + varint_bytes(name) + name + value_bytes(&actions[i].value);
	}
	return sum;
}
