/* SPOP 2.0 (SPOE.txt 3): reads varints, typed data, HELLO, NOTIFY and DISCONNECT, and writes the
 * frames that an agent sends, with their parts.
 *
 * The peer is HAProxy, but reading does not rely on that: every length is compared with the rest
 * of the frame before it is used. If the specification leaves two readings open, the frame is
 * refused. */
#include "base/codec/spop.h"

#include "base/err.h"

const char *
spop_status_str(unsigned status)
{
	switch (status) {
#define X(name, value, text)                                                                   \
	case value: return text;
		SPOP_STATUS_TABLE(X)
#undef X
	default: return "unassigned status";
	}
}

const struct spop_value *
spop_arg(const struct spop_message *m, const char *name)
{
	struct span want = span_str(name);

	for (size_t i = 0; i < m->nargs; i++)
		if (span_eq(m->args[i].name, want))
			return &m->args[i].value;
	return NULL;
}

bool
spop_value_int(const struct spop_value *v, int64_t *out)
{
	switch (v->type) {
	case SPOP_INT32:
	case SPOP_INT64: *out = v->i; return true;
	case SPOP_UINT32:
	case SPOP_UINT64:
		if (v->u > INT64_MAX)
			return false;
		*out = (int64_t)v->u;
		return true;
	default: return false;
	}
}

/* ---- reading typed data ---- */

static void
fail_spop(struct spop_rd *r, enum spop_status err)
{
	if (!r->err)
		r->err = err;
	r->p = r->end;
}

uint8_t
spop_rd_byte(struct spop_rd *r)
{
	if (r->p == r->end) {
		fail_spop(r, SPOP_E_INVALID);
		return 0;
	}
	return (uint8_t)*r->p++;
}

/* A first byte below 240 is the value. Otherwise the value is the first byte plus the next ones
 * shifted by 4, 11, 18 … bits, in which the continuation bit counts too. Each value thus has
 * exactly one encoding, and only a sum above 64 bits is malformed. Example: f0 00 is 240. */
uint64_t
spop_rd_varint(struct spop_rd *r)
{
	uint64_t v = spop_rd_byte(r), b;

	if (v < 240)
		return v;
	for (unsigned shift = 4;; shift += 7) {
		b = spop_rd_byte(r);
		if (b > UINT64_MAX >> shift || v > UINT64_MAX - (b << shift))
			fail_spop(r, SPOP_E_INVALID);
		if (r->err)
			return 0;
		v += b << shift;
		if (b < 128)
			return v;
	}
}

static struct span
rd_bytes(struct spop_rd *r, uint64_t n)
{
	if (r->err || n > (uint64_t)(r->end - r->p)) {
		fail_spop(r, SPOP_E_INVALID);
		return span_of(NULL, 0);
	}
	struct span s = span_of(r->p, (size_t)n);
	r->p += n;
	return s;
}

struct span
spop_rd_string(struct spop_rd *r)
{
	return rd_bytes(r, spop_rd_varint(r));
}

/* A negative INT32 is sent sign-extended to 64 bits, or as its 32 bits. */
static int64_t
int32_of(struct spop_rd *r, uint64_t v)
{
	int64_t i = v <= UINT32_MAX ? (int32_t)(uint32_t)v : (int64_t)v;

	if (i < INT32_MIN || i > INT32_MAX)
		fail_spop(r, SPOP_E_INVALID);
	return i;
}

/* TYPED-DATA = <TYPE:4 bits><FLAGS:4 bits><DATA>; the type is in the low bits. */
struct spop_value
spop_rd_value(struct spop_rd *r)
{
	uint8_t tag = spop_rd_byte(r);
	struct spop_value v = { .type = SPOP_NULL };

	if (r->err)
		return v;
	switch (tag & 15) {
	case SPOP_NULL: break;
	case SPOP_BOOL: v.b = tag & 16; break;
	case SPOP_INT32: v.i = int32_of(r, spop_rd_varint(r)); break;
	case SPOP_INT64: v.i = (int64_t)spop_rd_varint(r); break;
	case SPOP_UINT32:
		v.u = spop_rd_varint(r);
		if (v.u > UINT32_MAX)
			fail_spop(r, SPOP_E_INVALID);
		break;
	case SPOP_UINT64: v.u = spop_rd_varint(r); break;
	case SPOP_IPV4: v.s = rd_bytes(r, 4); break;
	case SPOP_IPV6: v.s = rd_bytes(r, 16); break;
	case SPOP_STRING:
	case SPOP_BINARY: v.s = spop_rd_string(r); break;
	default: fail_spop(r, SPOP_E_INVALID);
	}
	if (r->err)
		return (struct spop_value){ .type = SPOP_NULL };
	v.type = (enum spop_type)(tag & 15);
	return v;
}

/* ---- reading frames ---- */

enum spop_status
spop_frame_read(struct span in, struct spop_frame *out)
{
	struct spop_rd r = spop_rd_over(in);

	*out = (struct spop_frame){ .type = spop_rd_byte(&r) };
	for (int i = 0; i < 4; i++)
		out->flags = out->flags << 8 | spop_rd_byte(&r);
	out->stream = spop_rd_varint(&r);
	out->frame = spop_rd_varint(&r);
	if (!r.err)
		out->payload = span_of(r.p, (size_t)(r.end - r.p));
	return r.err;
}

/* Returns true if a list such as "2.0, 1.5" has a 2.x. A peer that announces a version supports
 * every lower minor version of it too (SPOE.txt 3.2.4). */
static bool
speaks_version_2(struct span list)
{
	while (list.p) {
		struct span item = span_trim(span_next(&list, ','), " \t");
		struct span major = span_next(&item, '.');
		uint64_t maj, min;
		if (item.p && span_u64(major, &maj) == 0 && span_u64(item, &min) == 0 &&
			maj == 2)
			return true;
	}
	return false;
}

static bool
list_has_word(struct span list, const char *want)
{
	while (list.p)
		if (span_is(span_trim(span_next(&list, ','), " \t"), want))
			return true;
	return false;
}

enum spop_status
spop_hello_read(struct span payload, struct spop_hello *out)
{
	enum { VERSIONS, SIZE, CAPS, HEALTH, ENGINE, KEYS };
	static const char *const keys[KEYS] = { "supported-versions", "max-frame-size",
		"capabilities", "healthcheck", "engine-id" };
	struct spop_value seen[KEYS] = { { .type = SPOP_NULL } };
	bool given[KEYS] = { false };
	struct spop_rd r = spop_rd_over(payload);
	int64_t size = 0;

	*out = (struct spop_hello){ 0 };
	while (r.p != r.end) {
		struct span name = spop_rd_string(&r);
		struct spop_value v = spop_rd_value(&r);
		for (int k = 0; k < KEYS && !r.err; k++) {
			if (!span_is(name, keys[k]))
				continue;
			if (given[k])
				return SPOP_E_INVALID;
			given[k] = true;
			seen[k] = v;
		}
	}
	if (r.err)
		return r.err;
	if (!given[VERSIONS])
		return SPOP_E_NO_VERSION;
	if (!given[SIZE])
		return SPOP_E_NO_FRAME_SIZE;
	if (!given[CAPS])
		return SPOP_E_NO_CAPS;
	if (seen[VERSIONS].type != SPOP_STRING || seen[CAPS].type != SPOP_STRING ||
		!spop_value_int(&seen[SIZE], &size) ||
		(given[HEALTH] && seen[HEALTH].type != SPOP_BOOL) ||
		(given[ENGINE] && seen[ENGINE].type != SPOP_STRING))
		return SPOP_E_INVALID;
	if (!speaks_version_2(seen[VERSIONS].s))
		return SPOP_E_VERSION;
	if (size < SPOP_MIN_MAX_FRAME || size > UINT32_MAX)
		return SPOP_E_FRAME_SIZE;
	out->max_frame = (uint32_t)size;
	out->pipelining = list_has_word(seen[CAPS].s, "pipelining");
	out->healthcheck = seen[HEALTH].b;
	out->engine_id = seen[ENGINE].s;
	return SPOP_OK;
}

enum spop_status
spop_disconnect_read(struct span payload, struct spop_disconnect *out)
{
	struct spop_rd r = spop_rd_over(payload);
	bool status = false, message = false;
	int64_t code = 0;

	*out = (struct spop_disconnect){ 0 };
	while (r.p != r.end) {
		struct span name = spop_rd_string(&r);
		struct spop_value v = spop_rd_value(&r);
		if (r.err)
			return r.err;
		if (span_is(name, "status-code")) {
			if (status || !spop_value_int(&v, &code) || code < 0 ||
				code > UINT32_MAX)
				return SPOP_E_INVALID;
			status = true;
			out->status = (uint32_t)code;
		} else if (span_is(name, "message")) {
			if (message || v.type != SPOP_STRING)
				return SPOP_E_INVALID;
			message = true;
			out->message = v.s;
		}
	}
	return status && message ? SPOP_OK : SPOP_E_INVALID;
}

/* LIST-OF-MESSAGES = { <MESSAGE-NAME> <NB-ARGS:1 byte> { <KV-NAME> <KV-VALUE> } } */
enum spop_status
spop_messages_read(struct span payload, struct spop_message *messages, size_t *nmessages,
	struct spop_arg *args, size_t *nargs)
{
	struct spop_rd r = spop_rd_over(payload);
	size_t max_messages = *nmessages, max_args = *nargs;

	*nmessages = *nargs = 0;
	while (r.p != r.end) {
		struct span name = spop_rd_string(&r);
		size_t n = spop_rd_byte(&r);
		if (r.err)
			return r.err;
		if (*nmessages == max_messages || n > max_args - *nargs)
			return SPOP_E_RESOURCE;
		struct spop_arg *first = args + *nargs;
		for (size_t i = 0; i < n; i++) {
			first[i].name = spop_rd_string(&r);
			first[i].value = spop_rd_value(&r);
			if (r.err)
				return r.err;
		}
		messages[(*nmessages)++] = (struct spop_message){ name, first, n };
		*nargs += n;
	}
	return SPOP_OK;
}

/* ---- writing ---- */

#define VARINT_MAX 10

static size_t
encode_varint(char to[VARINT_MAX], uint64_t v)
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

	return encode_varint(ignored, v);
}

void
spop_put_varint(struct buf *b, uint64_t v)
{
	char at[VARINT_MAX];

	buf_put(b, at, encode_varint(at, v));
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
		/* spop_rd_value() reads no other lengths, and the gateway sends no addresses */
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
put_kv_pair(struct buf *b, const char *key, struct spop_value v)
{
	spop_put_string(b, span_str(key));
	spop_put_value(b, &v);
}

void
spop_put_agent_hello(struct buf *b, uint32_t max_frame)
{
	size_t at = spop_begin(b, SPOP_AGENT_HELLO, SPOP_FIN, 0, 0);

	put_kv_pair(
		b, "version", (struct spop_value){ .type = SPOP_STRING, .s = SPAN_LIT("2.0") });
	put_kv_pair(b, "max-frame-size",
		(struct spop_value){ .type = SPOP_UINT32, .u = max_frame });
	put_kv_pair(b, "capabilities",
		(struct spop_value){ .type = SPOP_STRING, .s = SPAN_LIT("pipelining") });
	spop_end(b, at);
}

void
spop_put_agent_disconnect(struct buf *b, enum spop_status status)
{
	size_t at = spop_begin(b, SPOP_AGENT_DISCONNECT, SPOP_FIN, 0, 0);

	put_kv_pair(b, "status-code", (struct spop_value){ .type = SPOP_UINT32, .u = status });
	put_kv_pair(b, "message",
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
