/* The credentials in force. A request gets its header fields from them, and responses that
 * refuse a credential change its state. auth_thread.c supplies the values.
 *
 * The first part is the cell that holds a value. The writer makes the sequence number odd,
 * writes the words and makes the number even again. A reader that sees an odd number, or
 * another number after its copy, copies again. Each word is stored with release and loaded
 * with acquire order, so that a reader that saw a word of the next value also sees the next
 * value's sequence number. */
#include <sched.h>
#include <sodium.h>
#include <stdlib.h>
#include <time.h>

#include "base/caps.h"
#include "base/clock.h"
#include "base/codec/credentials.h"
#include "base/err.h"
#include "base/log.h"
#include "gate/auth/auth_private.h"

/* HEAD: bytes of the lengths. SPINS: a reader yields the CPU after so many interrupted
 * copies. */
enum { WORD = sizeof(uint64_t), HEAD = CELL_PARTS * sizeof(uint16_t), SPINS = 100 };

static void
store_words(struct cell *c, const struct cell_value *v, size_t bytes)
{
	unsigned now = atomic_load_explicit(&c->sequence, memory_order_relaxed);

	atomic_store_explicit(&c->sequence, now + 1, memory_order_relaxed);
	for (size_t i = 0; i < COUNT_OF(c->words); i++) {
		uint64_t word = 0;
		if (i * WORD < bytes)
			memcpy(&word, (const char *)v + i * WORD,
				sizeof(*v) - i * WORD < WORD ? sizeof(*v) - i * WORD : WORD);
		atomic_store_explicit(&c->words[i], word, memory_order_release);
	}
	atomic_store_explicit(&c->sequence, now + 2, memory_order_release);
}

bool
cell_put(struct cell *c, const struct span parts[CELL_PARTS])
{
	struct cell_value v = { { 0 }, { 0 } };
	size_t n = 0;

	for (size_t i = 0; i < CELL_PARTS; i++) {
		if (parts[i].n > CELL_BYTES - n)
			return false;
		v.n[i] = (uint16_t)parts[i].n;
		if (parts[i].n)
			memcpy(v.text + n, parts[i].p, parts[i].n);
		n += parts[i].n;
	}
	store_words(c, &v, sizeof(v));
	sodium_memzero(&v, sizeof(v));
	return true;
}

void
cell_wipe(struct cell *c)
{
	static const struct cell_value none;

	store_words(c, &none, 0);
}

/* The first word holds the lengths, so only the bytes that are in use are copied. Lengths
 * that were read during a write are limited to the size of the cell. */
void
cell_get(struct cell *c, struct cell_value *out)
{
	_Static_assert(HEAD <= WORD, "lengths in a word");

	for (unsigned tries = 0;; tries++) {
		unsigned before = atomic_load_explicit(&c->sequence, memory_order_acquire);
		uint64_t word = atomic_load_explicit(&c->words[0], memory_order_acquire);
		size_t bytes = HEAD;
		memcpy(out, &word, WORD);
		for (size_t i = 0; i < CELL_PARTS; i++)
			bytes += out->n[i];
		if (bytes > sizeof(*out))
			bytes = sizeof(*out);
		for (size_t at = WORD; at < bytes; at += WORD) {
			word = atomic_load_explicit(&c->words[at / WORD], memory_order_acquire);
			memcpy((char *)out + at, &word,
				sizeof(*out) - at < WORD ? sizeof(*out) - at : WORD);
		}
		if (!(before & 1) &&
			atomic_load_explicit(&c->sequence, memory_order_relaxed) == before)
			return;
		if (tries >= SPINS)
			sched_yield();
	}
}

struct span
cell_part(const struct cell_value *v, size_t i)
{
	size_t at = 0;

	for (size_t k = 0; k < i; k++)
		at += v->n[k];
	return span_of(v->text + at, v->n[i]);
}

/* Differences from a provider's clock below SKEW_S are ignored. After a token was dropped,
 * the next one may be dropped DROP_AGAIN_US later. */
enum { SKEW_S = 300, DROP_AGAIN_US = 30000000 };
/* The year 2200. A later Date is wrong, and in nanoseconds it may not fit into 64 bits. */
static const int64_t DATE_MOST_S = 7258118400;
/* The AWS error types whose reason may be a wrong clock. */
static const char *const clock_errors[] = { "InvalidSignatureException",
	"SignatureDoesNotMatch", "RequestTimeTooSkewed", "RequestExpired", "ExpiredToken",
	"ExpiredTokenException", "AccessDeniedException" };

bool
auth_usable(struct auth *a)
{
	return !a || clock_mono_us() < atomic_load(&a->until_us);
}

bool
auth_signs_body(const struct auth *a)
{
	return a && a->c->kind == BY_SIGV4;
}

bool
auth_drops(const struct auth *a, struct span name)
{
	return auth_signs_body(a) && span_istarts(name, SPAN_LIT("x-amz-"));
}

int64_t
auth_now_s(struct auth *a)
{
	int64_t ahead_ns = atomic_load(&a->clock_ns);

	return (ahead_ns ? ahead_ns + (int64_t)clock_mono_us() * 1000 : clock_wall_ns()) /
	       1000000000;
}

/* ---- fields ---- */

static void
add_auth_field(struct auth_fields *out, const char *name, struct span value)
{
	out->field[out->n++] = (struct http_field){ span_str(name), value };
}

static int
sign_request(struct auth *a, struct arena *arena, const struct cell_value *v,
	const struct http_head *head, const unsigned char *body, struct auth_fields *out)
{
	const struct sigv4_keys keys = { cell_part(v, 0), cell_part(v, 1), cell_part(v, 2) };
	const struct sigv4_scope scope = { a->c->region, a->c->service, auth_now_s(a) };
	struct sigv4_headers h;
	int err = sigv4_headers(arena, &keys, &scope, head, span_str(a->c->host), body, &h);

	if (err)
		return err;
	add_auth_field(out, CREDENTIAL_SET "authorization", h.authorization);
	/* Without CREDENTIAL_SET: these two are no secrets, and HAProxy need not delete them.
	 */
	add_auth_field(out, "x-amz-date", h.date);
	add_auth_field(out, "x-amz-content-sha256", h.content_sha256);
	if (h.token.n)
		add_auth_field(out, CREDENTIAL_SET "x-amz-security-token", h.token);
	return 0;
}

int
auth_fields(struct auth *a, struct arena *arena, const struct http_head *head,
	const unsigned char body[SHA256_BYTES], struct auth_fields *out)
{
	struct cell_value v;
	int err = 0;

	*out = (struct auth_fields){ .generation = atomic_load(&a->generation) };
	if (!auth_usable(a))
		return ERR_CLOSED;
	cell_get(&a->cell, &v);
	if (v.n[0] == 0) {
		err = ERR_CLOSED;
	} else if (a->c->kind == BY_SIGV4) {
		err = sign_request(a, arena, &v, head, body, out);
	} else {
		const char *header = a->c->header ? a->c->header : "authorization";
		add_auth_field(out, arena_printf(arena, CREDENTIAL_SET "%s", header).p,
			arena_dup(arena, cell_part(&v, 0)));
	}
	sodium_memzero(&v, sizeof(v));
	return err ? err : arena_failed(arena) ? ERR_NOMEM : 0;
}

/* ---- responses that refuse a credential ---- */

bool
auth_clock(struct auth *a, struct span date, const char *by)
{
	int64_t at_s, ours_s = auth_now_s(a);

	if (http_date(date, &at_s) < 0 || at_s < 0 || at_s > DATE_MOST_S ||
		llabs((long long)(at_s - ours_s)) < SKEW_S)
		return false;
	/* The offset is kept relative to the monotonic clock: if someone corrects our wall
	 * clock later, an offset to the wall clock would be wrong. */
	atomic_store(&a->clock_ns, at_s * 1000000000 - (int64_t)clock_mono_us() * 1000);
	log_event(LOG_WARN, "credential.clock", LS("provider", a->c->provider), LS("by", by),
		LI("seconds", at_s - ours_s));
	return true;
}

/* Drops the token of this generation and has a new one fetched, at most once in
 * DROP_AGAIN_US: a provider that answers 401 to every request must not cause a fetch for
 * each. Returns true if a newer token is in force or being fetched. */
static bool
drop_auth(struct auth *a, unsigned generation)
{
	uint64_t now = clock_mono_us(), last = atomic_load(&a->dropped_us);

	if (generation != atomic_load(&a->generation))
		return true; /* a newer token is in force already */
	if ((last && now - last < DROP_AGAIN_US) ||
		!atomic_compare_exchange_strong(&a->dropped_us, &last, now))
		return false;
	atomic_store(&a->until_us, 0);
	auth_fetch_soon(a);
	return true;
}

bool
auth_refused(struct auth *a, unsigned generation, const struct http_head *head)
{
	struct span date, type;

	/* the error type may be followed by ":URL" */
	if (a->c->kind == BY_SIGV4)
		return head->status == 403 &&
		       http_field_one(head, "x-amzn-errortype", &type) == 1 &&
		       SPAN_IN(span_trim(span_next(&type, ':'), " \t"), clock_errors) &&
		       http_field_one(head, "date", &date) == 1 &&
		       auth_clock(a, date, "provider");
	return head->status == 401 && auth_fetches(a) && drop_auth(a, generation);
}
