/* The credentials in force, and the thread that keeps them. A request gets its header fields from
 * them, and responses that refuse a credential change its state.
 *
 * The first part is the cell that holds a value. The writer makes the sequence number odd,
 * writes the words and makes the number even again. A reader that sees an odd number, or
 * another number after its copy, copies again. Each word is stored with release and loaded
 * with acquire order, so that a reader that saw a word of the next value also sees the next
 * value's sequence number.
 *
 * The thread (tg-credentials) reads files when they change. Tokens are fetched at start and again
 * after four fifths of their lifetime. The current value stays in force until it expires.
 *
 * A credential with a token is fetched (`call` is set). There are three results:
 *   in force   publish_auth() stores the value, and the timer fetches again
 *   failing    (failing_us) the fetch is repeated after 0.5 s, doubled up to 60 s
 *   final      refused permanently: the daemon does not ask again until the file changes, or a
 *              reload opens the credential again */
#include <pthread.h>
#include <sched.h>
#include <sodium.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/codec/credentials.h"
#include "base/err.h"
#include "base/fetch/http_client.h"
#include "base/log.h"
#include "base/scoped.h"
#include "base/timer.h"
#include "base/watch.h"
#include "gate/auth/auth_private.h"
#include "gate/auth/caller_token.h"
#include "gate/auth/token.h"

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

const char *
auth_host(const struct auth *a)
{
	return auth_signs_body(a) ? a->c->host : NULL;
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

/* If `date` (an HTTP Date) differs from our clock by five minutes or more, uses the
 * provider's clock from now on, logs this and returns true. `by` names the source of the date
 * in the log. */
static bool
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

/* Wakes the thread to fetch a new token. Any thread. */
static void
auth_fetch_soon(struct auth *a)
{
	atomic_store(&a->asked, true);
	http_thread_wake(a->all->http);
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

/* ---- bounds of the thread ---- */

/* Times in microseconds, sizes in bytes. A token that has been missing for MISSING_US is logged
 * as an error. */
enum {
	FETCH_US = 5000000,
	RETRY_US = 500000,
	RETRY_MOST_US = 60000000,
	MISSING_US = 10000000,
	ANSWER_MAX = 64 << 10,
	FORM_MAX = 64 << 10,
	WHY_MAX = 4096,
	POLL_US = 2000
};
#define FOR_EVER UINT64_MAX

/* ---- values ---- */

static void
publish_auth(struct auth *a, struct span x, struct span y, struct span z, uint64_t until_us)
{
	const struct span parts[CELL_PARTS] = { x, y, z };

	/* the file's parser has limited the parts' lengths */
	INVARIANT(cell_put(&a->cell, parts));
	atomic_fetch_add(&a->generation, 1);
	atomic_store(&a->until_us, until_us);
}

/* Publishes the values of a file that holds the credential itself, not a secret to fetch a
 * token with. */
static void
take_material(struct auth *a, const struct material *m)
{
	struct span none = { NULL, 0 };

	memcpy(a->hash, m->hash, sizeof(a->hash));
	if (a->c->kind == BY_SIGV4)
		publish_auth(a, m->keys.id, m->keys.secret, m->keys.token, FOR_EVER);
	else if (auth_asks_caller(a)) /* the client's secret is read for each exchange */
		publish_auth(a, none, none, none, FOR_EVER);
	else if (!auth_fetches(a))
		publish_auth(a, m->text, none, none, FOR_EVER);
}

static void
report_new_value(const struct auth *a)
{
	void (*on_new_value)(void *arg, const char *provider) =
		atomic_load_explicit(&a->all->on_new_value, memory_order_acquire);

	if (on_new_value)
		on_new_value(a->all->on_new_value_arg, a->c->provider);
}

void
auths_tell(struct auths *s, void (*on_new_value)(void *arg, const char *provider), void *arg)
{
	s->on_new_value_arg = arg;
	atomic_store_explicit(&s->on_new_value, on_new_value, memory_order_release);
}

/* ---- fetching ---- */

static void
again_after(struct auth *a, uint64_t us)
{
	timer_after(a->all->http->loop, &a->timer, us);
}

/* Logs once that requests are refused because the credential is missing. An endpoint that
 * does not respond may only be starting: the log event waits for MISSING_US of failures. */
static void
log_expired(struct auth *a)
{
	uint64_t since_us = a->failing_us;

	if (auth_usable(a) || a->expired_said ||
		(!a->final && (!since_us || clock_mono_us() - since_us < MISSING_US)))
		return;
	a->expired_said = true;
	log_event(LOG_ERROR, "credential.missing", LS("provider", a->c->provider),
		LS("note", "requests to the provider get 503 or are sent to the next target, and "
			   "recognizers with this credential do not respond: correct it"));
}

static void
auth_failed(struct auth *a, const char *why, int status)
{
	uint64_t now = clock_mono_us(), until = atomic_load(&a->until_us);

	metric_inc(a->all->metrics, M_CREDENTIALS_FAILED);
	if (!a->failing_us) {
		log_event(LOG_WARN, "credential.fetch_failed", LS("provider", a->c->provider),
			LS("url", a->c->url), LS("why", why), LI("status", status));
		a->failing_us = now;
	}
	a->backoff_us = wait_doubled(a->backoff_us, RETRY_US, RETRY_MOST_US);
	/* The timer fires no later than the expiry of the current token, so that the expiry
	 * is logged. */
	bool before = until > now && until - now < a->backoff_us;
	again_after(a, before ? until - now : a->backoff_us);
	log_expired(a);
}

/* The endpoint refused the credential with a known code. Only the operator can correct this,
 * so the daemon stops asking. */
static void
token_refused(struct auth *a, const char *code, int status)
{
	metric_inc(a->all->metrics, M_CREDENTIALS_FAILED);
	a->final = true;
	ev_timer_stop(a->all->http->loop, &a->timer);
	log_event(LOG_ERROR, "credential.refused", LS("provider", a->c->provider),
		LS("url", a->c->url), LS("code", code), LI("status", status),
		LS("note", "the token endpoint refuses the credential: correct its file, or reload "
			   "after you correct the account; the daemon retries only then"));
	uint64_t now = clock_mono_us(), until = atomic_load(&a->until_us);
	if (until > now)
		again_after(a, until - now);
	log_expired(a);
}

/* Puts a fetched token in force. */
static void
take_token(struct auth *a, const struct token_answer *t)
{
	uint64_t life_us = t->seconds * 1000000;
	struct span none = { NULL, 0 };
	char value[CAP_CREDENTIAL_BYTES + 1];
	int n = snprintf(value, sizeof(value), "Bearer %.*s", SPAN_ARG(t->token));

	publish_auth(a, span_of(value, (size_t)n), none, none, a->asked_us + life_us);
	sodium_memzero(value, sizeof(value));
	metric_inc(a->all->metrics, M_CREDENTIALS_FETCHED);
	log_event(a->failing_us || a->expired_said ? LOG_INFO : LOG_DEBUG, "credential.fetched",
		LS("provider", a->c->provider), LI("seconds", t->seconds));
	a->final = a->expired_said = a->clock_tried = false;
	a->failing_us = 0;
	a->backoff_us = 0;
	report_new_value(a);
	again_after(a, life_us / 5 * 4);
}

static void
take_answer(struct auth *a, const struct http_answer *got)
{
	struct token_answer t;
	const char *why = NULL, *code;

	SCOPED_ARENA(arena, 4 * ANSWER_MAX, true);
	if (got->status == 200) {
		if (token_answer(got->body, &arena, &t, &why) == 0)
			take_token(a, &t);
		else
			auth_failed(a, why, got->status);
	} else if (got->status >= 400 && got->status < 500 &&
		   (code = token_refusal(got->body, &arena))) {
		/* A refusal may be caused by a wrong clock on our side: an assertion is valid
		 * only for a time. Adopt the endpoint's clock once and retry after 1 µs. */
		if (!a->clock_tried &&
			auth_clock(a, http_answer_field(got, "date"), "endpoint")) {
			a->clock_tried = true;
			again_after(a, 1);
		} else {
			token_refused(a, code, got->status);
		}
	} else {
		auth_failed(a,
			"the token endpoint's response is neither 200 nor an OAuth error",
			got->status);
	}
}

static void
on_auth_answer(void *arg, const struct http_answer *got)
{
	struct auth *a = TAGGED(auth, arg);

	a->call = NULL;
	if (got->err)
		auth_failed(a, got->why, 0);
	else
		take_answer(a, got);
	atomic_store(&a->tried, true);
}

/* Sends the request for a token. The secret is read from the file for each fetch and is not
 * kept in memory between fetches. */
static void
fetch_token(struct auth *a)
{
	static const char *const fields[] = { "Accept: application/json",
		"Content-Type: application/x-www-form-urlencoded" };
	struct material m;

	if (a->call || a->final)
		return;
	SCOPED_BUF(form, FORM_MAX);
	SCOPED_BUF(why, WHY_MAX);
	int err = material_read(a->c, &m, &why);
	if (!err)
		err = token_form(a->c, &m, auth_now_s(a), &form);
	const struct http_call_options o = { .url = a->c->url,
		.body = buf_view(&form),
		.fields = fields,
		.nfields = COUNT_OF(fields),
		.ca_file = a->c->ca_file,
		.deadline_us = FETCH_US,
		.answer_bytes = ANSWER_MAX };
	if (!err) {
		memcpy(a->hash, m.hash, sizeof(a->hash));
		a->asked_us = clock_mono_us();
		a->call = http_call(a->all->http->client, &o, on_auth_answer, a);
	}
	if (!a->call) {
		buf_putc(&why, '\0');
		auth_failed(a,
			err && why.n > 1
				? buf_view(&why).p
				: "the daemon could not start a request to the token endpoint",
			0);
		atomic_store(&a->tried, true);
	}
	material_free(&m);
}

static void
on_auth_timer(struct ev_loop *loop UNUSED, ev_timer *w, int revents UNUSED)
{
	struct auth *a = TAGGED(auth, w->data);

	log_expired(a);
	fetch_token(a);
}

/* ---- files ---- */

/* Reads a file that has changed. If the file is incomplete or wrong, the previous credential
 * stays in force. */
static void
read_again(struct auth *a)
{
	struct material m;

	SCOPED_BUF(why, WHY_MAX);
	int err = material_read(a->c, &m, &why);
	if (err) {
		struct span now = buf_view(&why);
		if (now.n > sizeof(a->unusable) - 1)
			now.n = sizeof(a->unusable) - 1;
		if (!span_is(now, a->unusable)) /* log each different mistake once */
			log_event(LOG_ERROR, "credential.unusable",
				LS("provider", a->c->provider), LSP("why", buf_view(&why)),
				LS("note", "the previous credential stays in force: correct "
					   "the file"));
		memcpy(a->unusable, now.p, now.n);
		a->unusable[now.n] = 0;
		metric_inc(a->all->metrics, M_CREDENTIALS_FAILED);
	} else if (a->unusable[0] || memcmp(a->hash, m.hash, sizeof(a->hash)) != 0) {
		a->unusable[0] = 0;
		a->final = false;
		a->backoff_us = 0;
		take_material(a, &m);
		log_event(LOG_INFO, "credential.replaced", LS("provider", a->c->provider));
		report_new_value(a);
		if (auth_fetches(a)) {
			/* the call was made with the old secret */
			http_call_cancel(&a->call);
			fetch_token(a);
		}
	}
	material_free(&m);
}

static void
on_change(void *arg, const char *file UNUSED)
{
	struct auths *s = TAGGED(auths, arg);

	SCOPED_LOCK(&s->lock);
	for (struct auth *a = s->first; a; a = a->next)
		if (a->refs)
			read_again(a);
}

/* Watches the files of all credentials. Call with s->lock held. */
static void
watch_all(struct auths *s)
{
	int64_t since_ns = INT64_MAX;

	SCOPED_BUF(files, 0);
	for (struct auth *a = s->first; a; a = a->next) {
		buf_str(&files, a->c->file);
		buf_putc(&files, '\0');
		if (a->read_ns < since_ns)
			since_ns = a->read_ns;
	}
	if (!watch_files(s->watch, buf_view(&files), false, since_ns))
		log_event(LOG_WARN, "credential.unwatched",
			LS("why", "there are more credential files than the daemon watches: "
				  "reload after you change one"));
}

/* ---- the thread ---- */

static void
auth_destroy(struct auth *a)
{
	ev_timer_stop(a->all->http->loop, &a->timer);
	http_call_cancel(&a->call);
	cell_wipe(&a->cell);
	arena_reset(&a->a);
	TAG_CLEAR(auth, a);
	sodium_memzero(a, sizeof(*a));
	free(a);
}

static bool
auths_woken(void *arg, bool stopping UNUSED)
{
	struct auths *s = TAGGED(auths, arg);
	bool changed = false;

	SCOPED_LOCK(&s->lock);
	for (struct auth **at = &s->first; *at;) {
		struct auth *a = *at;
		if (a->refs == 0) {
			*at = a->next;
			auth_destroy(a);
			changed = true;
			continue;
		}
		changed |= !a->started;
		bool asked = atomic_exchange(&a->asked, false);
		if (!a->started || (asked && (a->final || !auth_usable(a)))) {
			a->started = true;
			a->final = false;
			if (auth_fetches(a))
				fetch_token(a);
		}
		at = &a->next;
	}
	if (changed)
		watch_all(s);
	caller_tokens_woken(s);
	return true;
}

struct auths *
auths_new(struct metrics *m)
{
	struct auths *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	TAG(auths, s);
	pthread_mutex_init(&s->lock, NULL);
	s->metrics = m ? m : &s->own;
	return s;
}

/* Starts the thread if it does not run. Call with s->lock held. */
static bool
start_auth_thread(struct auths *s)
{
	if (s->running)
		return true;
	if (!s->http)
		s->http = http_thread_new(auths_woken, s);
	if (s->http && !s->watch)
		s->watch = watch_new(s->http->loop, on_change, s);
	s->running = s->watch && http_thread_start(s->http, "tg-credentials") == 0;
	return s->running;
}

void
auths_stop(struct auths *s)
{
	if (!s || !s->running)
		return;
	http_thread_stop(s->http);
	s->running = false;
	for (struct auth *a = s->first; a; a = a->next)
		http_call_cancel(&a->call);
}

void
auths_free(struct auths **sp)
{
	struct auths *s = *sp;

	if (!s)
		return;
	auths_stop(s);
	caller_tokens_free(&s->callers);
	for (struct auth *a = s->first, *next; a; a = next) {
		next = a->next;
		auth_destroy(a);
	}
	watch_free(&s->watch);
	http_thread_free(&s->http);
	pthread_mutex_destroy(&s->lock);
	TAG_CLEAR(auths, s);
	free(s);
	*sp = NULL;
}

void
auths_first(struct auths *s, uint64_t wait_us)
{
	uint64_t until_us = clock_mono_us() + wait_us;

	for (bool all = false; !all && clock_mono_us() < until_us;) {
		all = true;
		pthread_mutex_lock(&s->lock);
		for (struct auth *a = s->first; a; a = a->next)
			all = all && (!auth_fetches(a) || atomic_load(&a->tried));
		pthread_mutex_unlock(&s->lock);
		if (!all)
			usleep(POLL_US);
	}
}

/* ---- opening ---- */

static struct auth *
make_auth(struct auths *s, const struct provider_credential *c, struct buf *why)
{
	struct auth *a = calloc(1, sizeof(*a));
	struct material m;

	if (!a)
		return NULL;
	TAG(auth, a);
	a->all = s;
	a->read_ns = clock_wall_ns();
	arena_init(&a->a, 0, true);
	ev_timer_init(&a->timer, on_auth_timer, 0., 0.);
	a->timer.data = a;
	a->c = credential_copy(&a->a, c);
	int err = a->c ? material_read(c, &m, why) : ERR_NOMEM;
	if (a->c && !err)
		take_material(a, &m);
	if (a->c)
		material_free(&m);
	if (err) {
		arena_reset(&a->a);
		free(a);
		return NULL;
	}
	a->next = s->first;
	s->first = a;
	return a;
}

struct auth *
auth_open(struct auths *s, const struct provider_credential *c, struct buf *why)
{
	struct material m;

	if (!s) {
		material_read(c, &m, why);
		material_free(&m);
		return NULL;
	}
	pthread_mutex_lock(&s->lock);
	struct auth *a = s->first;
	while (a && !credential_same(a->c, c))
		a = a->next;
	if (a)
		atomic_store(&a->asked, true);
	else if (start_auth_thread(s))
		a = make_auth(s, c, why);
	if (a)
		a->refs++;
	pthread_mutex_unlock(&s->lock);
	if (a)
		http_thread_wake(s->http);
	else if (!why->n)
		buf_str(why, "the daemon is out of memory, threads or file descriptors");
	return a;
}

void
auth_hold(struct auth *a)
{
	SCOPED_LOCK(&a->all->lock);
	a->refs++;
}

void
auth_let_go(struct auth *a)
{
	SCOPED_LOCK(&a->all->lock);
	a->refs--;
}

void
auth_close(struct auth **ap)
{
	struct auth *a = *ap;

	*ap = NULL;
	if (!a)
		return;
	struct auths *s = a->all;
	pthread_mutex_lock(&s->lock);
	a->refs--;
	pthread_mutex_unlock(&s->lock);
	http_thread_wake(s->http);
}
