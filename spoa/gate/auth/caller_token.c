/* Callers' tokens: one entry for each question, which is asked, kept or refused. All of it runs
 * on the thread tg-credentials; workers and the thread send mail to each other.
 *
 *   ask ──► entry ──► has a token ─────────────────────────────► answer
 *             │
 *             ├─► its call is in flight, or it is queued ──► wait ──► answer to all who wait
 *             │
 *             └─► queued ──► call, at most CALLS_MOST at a time ──► token, refusal or failure
 *
 * A refusal is repeated for REFUSED_US to those who ask again. After FAILURES_MOST failures in
 * a row, a provider's questions fail without a call for a time, and then one of them is sent as a
 * test. */
#include "gate/auth/caller_token.h"

#include <jansson.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "base/attr.h"
#include "base/clock.h"
#include "base/codec/json_text.h"
#include "base/err.h"
#include "base/fetch/http_client.h"
#include "base/keyfile.h"
#include "base/log.h"
#include "base/scoped.h"
#include "base/timer.h"
#include "gate/auth/auth_private.h"
#include "gate/auth/caller_claims.h"
#include "gate/auth/token.h"

/* Times in microseconds, sizes in bytes. RENEW_US: a token that is asked for in its last
 * minute, or in the last fifth of a shorter life, is renewed. LEAST_US: a token that ends
 * sooner is not sent, because the call may take that long. */
enum {
	KEY = 16,
	BUCKETS = 1024,
	CALLS_MOST = 32,
	TICK_US = 200000,
	RENEW_US = 60000000,
	LEAST_US = 1000000,
	REFUSED_US = 5000000,
	CONSENT_US = 600000000,
	FAILURES_MOST = 3,
	CLOSED_US = 1000000,
	CLOSED_MOST_US = 30000000,
	ANSWER_MAX = 64 << 10,
	FORM_MAX = 64 << 10,
	CLAIMS_MAX = 2048,
	WHY_MAX = 4096
};

/* A question, and its token or refusal. The entry of a consent has neither: it notes that a
 * person was asked to log in. */
struct caller_entry {
	struct caller_tokens *all;
	unsigned char key[KEY];
	struct caller_entry *in_bucket;
	TAILQ_ENTRY(caller_entry) of_all; /* the least recently used one is first */
	TAILQ_ENTRY(caller_entry) of_queue;
	struct auth *auth; /* held */
	/* monotonic: the entry is of use before this; while it is asked, that time does not
	 * count */
	uint64_t until_us;
	uint64_t renew_us; /* from then on, a question for the token renews it */
	char *value;	   /* "Bearer TOKEN"; NULL: none */
	struct caller_token_facts facts;
	enum caller_token_end end; /* of a refusal */
	char why[sizeof(((struct caller_ask *)0)->why)];
	/* while it is asked: the caller's token; queued, or `call` */
	char *subject;
	bool queued;
	struct http_call *call;
	uint64_t asked_us;
	int64_t expires_s;
	unsigned char person[KEY];
	struct caller_ask *waiting;
};

struct caller_tokens {
	struct auths *auths;
	unsigned char secret[crypto_generichash_KEYBYTES];
	struct caller_entry *bucket[BUCKETS];
	TAILQ_HEAD(, caller_entry) entries, queue;
	size_t n, calls;
	ev_timer tick;
};

bool
auth_asks_caller(const struct auth *a)
{
	return a && (a->c->kind == BY_EXCHANGE || a->c->kind == BY_ON_BEHALF);
}

static void
secret_free(char **s)
{
	if (*s)
		explicit_bzero(*s, strlen(*s));
	free(*s);
	*s = NULL;
}

/* ---- entries ---- */

static void
add_part(crypto_generichash_state *h, struct span s)
{
	uint64_t n = s.n;

	crypto_generichash_update(h, (const unsigned char *)&n, sizeof(n));
	crypto_generichash_update(h, (const unsigned char *)(s.n ? s.p : ""), s.n);
}

static void
hash_parts(const struct caller_tokens *t, const struct span *parts, size_t n,
	unsigned char key[KEY])
{
	crypto_generichash_state h;

	crypto_generichash_init(&h, t->secret, sizeof(t->secret), KEY);
	for (size_t i = 0; i < n; i++)
		add_part(&h, parts[i]);
	crypto_generichash_final(&h, key, KEY);
}

/* The issuer is part of the caller's token. */
static void
question_key(const struct caller_tokens *t, const struct auth *a, struct span token,
	struct span actor, unsigned char key[KEY])
{
	const struct provider_credential *c = a->c;
	const struct span parts[] = { SPAN_LIT("token"), span_str(c->provider),
		span_str(c->url), span_str(c->client_id), span_str(c->audience),
		span_str(c->resource), span_str(c->scope), token, actor };

	hash_parts(t, parts, COUNT_OF(parts), key);
}

static struct caller_entry **
entry_bucket(struct caller_tokens *t, const unsigned char key[KEY])
{
	size_t i;

	memcpy(&i, key, sizeof(i));
	return &t->bucket[i % BUCKETS];
}

static struct caller_entry *
entry_find(struct caller_tokens *t, const unsigned char key[KEY])
{
	struct caller_entry *e = *entry_bucket(t, key);

	while (e && memcmp(e->key, key, KEY))
		e = e->in_bucket;
	if (e) {
		TAILQ_REMOVE(&t->entries, e, of_all);
		TAILQ_INSERT_TAIL(&t->entries, e, of_all);
	}
	return e;
}

static bool
is_asked(const struct caller_entry *e)
{
	return e->subject;
}

static void
entry_free(struct caller_entry *e)
{
	struct caller_tokens *t = e->all;
	struct caller_entry **at = entry_bucket(t, e->key);

	INVARIANT(!e->waiting && !is_asked(e));
	while (*at != e)
		at = &(*at)->in_bucket;
	*at = e->in_bucket;
	TAILQ_REMOVE(&t->entries, e, of_all);
	t->n--;
	secret_free(&e->value);
	secret_free(&e->subject);
	auth_let_go(e->auth);
	explicit_bzero(e, sizeof(*e));
	free(e);
}

/* Makes room by the least recently used entry that nobody waits for. */
static bool
room_for_entry(struct caller_tokens *t)
{
	struct caller_entry *e;

	if (t->n < CAP_CALLER_TOKENS)
		return true;
	TAILQ_FOREACH (e, &t->entries, of_all)
		if (!is_asked(e))
			break;
	if (e)
		entry_free(e);
	return e;
}

static struct caller_entry *
entry_new(struct caller_tokens *t, struct auth *a, const unsigned char key[KEY])
{
	struct caller_entry *e = room_for_entry(t) ? calloc(1, sizeof(*e)) : NULL;

	if (!e)
		return NULL;
	e->all = t;
	memcpy(e->key, key, KEY);
	auth_hold(a);
	e->auth = a;
	struct caller_entry **b = entry_bucket(t, key);
	e->in_bucket = *b;
	*b = e;
	TAILQ_INSERT_TAIL(&t->entries, e, of_all);
	t->n++;
	if (!ev_is_active(&t->tick))
		timer_after(t->auths->http->loop, &t->tick, TICK_US);
	return e;
}

/* ---- answers ---- */

static void
ask_is_back(struct mail *m, void *worker UNUSED)
{
	struct caller_ask *ask = CONTAINER_OF(m, struct caller_ask, mail);

	ask->back(ask);
}

static void
reply(struct caller_ask *ask)
{
	ask->mail.run = ask_is_back;
	mailbox_send(ask->to, &ask->mail);
}

static void
reply_end(struct caller_ask *ask, enum caller_token_end end, const char *why)
{
	ask->end = end;
	snprintf(ask->why, sizeof(ask->why), "%s", why);
	reply(ask);
}

static void
reply_token(struct caller_ask *ask, const struct caller_entry *e)
{
	ask->value = strdup(e->value);
	if (!ask->value) {
		reply_end(ask, CALLER_TOKEN_AWAY, "out of memory");
		return;
	}
	ask->n = strlen(ask->value);
	ask->facts = e->facts;
	ask->end = CALLER_TOKEN_HERE;
	reply(ask);
}

/* Answers all who wait for the entry. */
static void
reply_all(struct caller_entry *e, const char *challenge)
{
	struct caller_ask *next;

	for (struct caller_ask *ask = e->waiting; ask; ask = next) {
		next = ask->next;
		if (e->value) {
			reply_token(ask, e);
			continue;
		}
		snprintf(ask->challenge, sizeof(ask->challenge), "%s", challenge);
		reply_end(ask, e->end, e->why);
	}
	e->waiting = NULL;
}

/* The question has its answer: a token, a refusal or a failure. */
static void
entry_ends(struct caller_entry *e, const char *challenge)
{
	INVARIANT(!e->queued && !e->call);
	secret_free(&e->subject); /* not asked any more */
	reply_all(e, challenge);
	if (!e->until_us)
		entry_free(e);
}

static void
entry_refused(struct caller_entry *e, enum caller_token_end end, const char *why)
{
	secret_free(&e->value);
	e->end = end;
	snprintf(e->why, sizeof(e->why), "%s", why);
	e->until_us = end == CALLER_TOKEN_REFUSED ? clock_mono_us() + REFUSED_US : 0;
}

/* No usable answer. A token that is still in force stays. */
static void
entry_away(struct caller_entry *e)
{
	metric_inc(e->auth->all->metrics, M_CALLER_TOKENS_FAILED);
	if (!e->value || e->until_us <= clock_mono_us())
		entry_refused(e, CALLER_TOKEN_AWAY,
			"the identity provider did not return a token for this provider; retry "
			"later");
	entry_ends(e, "");
}

static void
entry_failed(struct caller_entry *e, const char *why, int status)
{
	const struct provider_credential *c = e->auth->c;

	log_event(LOG_WARN, "caller_token.failed", LS("provider", c->provider),
		LS("url", c->url), LS("why", why), LI("status", status));
	entry_away(e);
}

static void
breaker_failed(struct auth *a)
{
	uint64_t wait_us = CLOSED_US;

	if (++a->caller_failures < FAILURES_MOST)
		return;
	for (unsigned i = FAILURES_MOST; i < a->caller_failures && wait_us < CLOSED_MOST_US;
		i++)
		wait_us *= 2;
	a->caller_closed_until_us =
		clock_mono_us() + (wait_us < CLOSED_MOST_US ? wait_us : CLOSED_MOST_US);
}

/* ---- the response ---- */

/* Puts the token in force, unless a check fails: returns what is wrong, or NULL. */
static const char *
take_caller_token(struct caller_entry *e, const struct token_answer *t, const json_t *body)
{
	int64_t now_s = clock_wall_ns() / 1000000000;
	struct caller_token_facts facts;
	const char *why =
		caller_claims_wrong(e->auth->c, span_str(e->subject), t, body, now_s, &facts);

	if (why)
		return why;
	if (e->expires_s && e->expires_s < facts.ends_s)
		facts.ends_s = e->expires_s;
	if (facts.ends_s <= now_s)
		return "the token has ended";
	size_t n = strlen("Bearer ") + t->token.n + 1;
	char *value = malloc(n);
	if (!value)
		return "out of memory";
	snprintf(value, n, "Bearer %.*s", SPAN_ARG(t->token));
	secret_free(&e->value);
	e->value = value;
	e->facts = facts;
	uint64_t life_us = (uint64_t)(facts.ends_s - now_s) * 1000000;
	e->until_us = clock_mono_us() + life_us;
	e->renew_us = e->until_us - (life_us / 5 < RENEW_US ? life_us / 5 : RENEW_US);
	return NULL;
}

static void
put_quoted(struct buf *b, const char *name, struct span s)
{
	buf_printf(b, ", %s=\"", name);
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] >= ' ' && s.p[i] <= '~') {
			if (s.p[i] == '"' || s.p[i] == '\\')
				buf_putc(b, '\\');
			buf_putc(b, s.p[i]);
		}
	buf_putc(b, '"');
}

/* Writes the challenge of an identity provider that wants the person to log in. Of its answer,
 * only the error and the claims that it asks for are passed on; Entra's clients read the latter
 * in base64 ("Claims challenges, claims requests and client capabilities"). */
static void
put_login(struct buf *b, struct span error, struct span claims)
{
	char encoded[sodium_base64_ENCODED_LEN(CLAIMS_MAX, sodium_base64_VARIANT_ORIGINAL)];

	buf_str(b, "Bearer error=\"insufficient_claims\"");
	put_quoted(b, "error_description", error);
	if (!claims.n || claims.n > CLAIMS_MAX)
		return;
	sodium_bin2base64(encoded, sizeof(encoded), (const unsigned char *)claims.p, claims.n,
		sodium_base64_VARIANT_ORIGINAL);
	put_quoted(b, "claims", span_str(encoded));
}

/* Returns true the first time in CONSENT_US for this person and provider. */
static bool
asks_consent(struct caller_entry *of)
{
	struct caller_tokens *t = of->all;
	unsigned char key[KEY];
	const struct span parts[] = { SPAN_LIT("consent"), span_str(of->auth->c->provider),
		span_of((const char *)of->person, KEY) };

	hash_parts(t, parts, COUNT_OF(parts), key);
	struct caller_entry *e = entry_find(t, key);
	if (e && e->until_us > clock_mono_us())
		return false;
	if (!e)
		e = entry_new(t, of->auth, key);
	if (e) {
		e->end = CALLER_TOKEN_LOGIN;
		e->until_us = clock_mono_us() + CONSENT_US;
	}
	return true;
}

/* The identity provider refused (RFC 6749 5.2, RFC 8693 2.2.2). */
static void
take_refusal(struct caller_entry *e, const json_t *body, int status)
{
	static const char *const ours[] = { "invalid_client", "unauthorized_client",
		"unsupported_grant_type" };
	static const char *const login[] = { "interaction_required", "consent_required",
		"login_required", "insufficient_claims", "basic_action", "additional_action" };
	struct auth *a = e->auth;
	struct span error = span_cut(json_span(json_object_get(body, "error")), 0, 64),
		    claims = json_span(json_object_get(body, "claims"));
	bool asks = claims.n || SPAN_IN(error, login) ||
		    SPAN_IN(json_span(json_object_get(body, "suberror")), login);

	SCOPED_BUF(challenge, sizeof(((struct caller_ask *)0)->challenge) - 1);
	log_event(LOG_WARN, "caller_token.refused", LS("provider", a->c->provider),
		LS("url", a->c->url), LSP("code", error), LI("status", status));
	if (SPAN_IN(error, ours)) {
		entry_failed(e,
			"the identity provider refuses the gateway's own client: correct "
			"client_id, its secret or its permission to exchange tokens",
			status);
		return;
	}
	metric_inc(a->all->metrics, M_CALLER_TOKENS_REFUSED);
	if (asks && asks_consent(e)) {
		put_login(&challenge, error, claims);
		buf_putc(&challenge, '\0');
		entry_refused(e, CALLER_TOKEN_LOGIN,
			"the identity provider wants this person to log in again or to "
			"consent");
	} else {
		entry_refused(e, CALLER_TOKEN_REFUSED,
			asks ? "the identity provider still wants a consent or another login "
			       "of this "
			       "person: logging in again did not change that; ask the "
			       "administrator "
			       "of the identity provider to grant it"
			     : "the identity provider refuses a token of this person for this "
			       "provider");
	}
	entry_ends(e, challenge.n && !buf_failed(&challenge) ? buf_view(&challenge).p : "");
}

static void
take_caller_answer(struct caller_entry *e, const struct http_answer *got)
{
	struct token_answer t;
	const char *why = NULL;
	json_t *body = json_loadb(
		got->body.p ? got->body.p : "", got->body.n, JSON_REJECT_DUPLICATES, NULL);

	SCOPED_ARENA(arena, 4 * ANSWER_MAX, true);
	if (got->status == 200) {
		e->auth->caller_failures = 0;
		if (json_is_object(body) && !token_answer(got->body, &arena, &t, &why))
			why = take_caller_token(e, &t, body);
		if (why || !json_is_object(body)) {
			entry_failed(e, why ? why : "the response is not a JSON object", 200);
		} else {
			metric_inc(e->auth->all->metrics, M_CALLER_TOKENS_FETCHED);
			entry_ends(e, "");
		}
	} else if (got->status >= 400 && got->status < 500 && json_span(json_object_get(body, "error")).n) {
		e->auth->caller_failures = 0;
		take_refusal(e, body, got->status);
	} else {
		breaker_failed(e->auth);
		entry_failed(e, "the response is neither 200 nor an OAuth error", got->status);
	}
	json_decref(body);
}

/* ---- questions ---- */

static void start_calls(struct caller_tokens *t);

static void
on_caller_answer(void *arg, const struct http_answer *got)
{
	struct caller_entry *e = arg;
	struct caller_tokens *t = e->all;

	e->call = NULL;
	t->calls--;
	if (got->err) {
		breaker_failed(e->auth);
		entry_failed(e, got->why, 0);
	} else {
		take_caller_answer(e, got);
	}
	start_calls(t);
}

/* Reads the agent's own token. Returns an empty view if none is configured; false: the file
 * cannot be used. */
static bool
actor_token(const struct provider_credential *c, struct buf *text, struct span *out,
	struct buf *why)
{
	*out = (struct span){ NULL, 0 };
	if (!c->actor_file)
		return true;
	if (keyfile_text(c->actor_file, "a token", text, why))
		return false;
	*out = span_trim(buf_view(text), " \t\r\n");
	return out->n;
}

static void
start_call(struct caller_entry *e)
{
	static const char *const fields[] = { "Accept: application/json",
		"Content-Type: application/x-www-form-urlencoded" };
	struct caller_tokens *t = e->all;
	struct auth *a = e->auth;
	uint64_t waited = clock_mono_us() - e->asked_us;
	struct material m;
	struct span actor;

	SCOPED_BUF(form, FORM_MAX);
	SCOPED_BUF(text, CAP_TOKEN_BYTES);
	SCOPED_BUF(why, WHY_MAX);
	int err = material_read(a->c, &m, &why);
	if (!err && !actor_token(a->c, &text, &actor, &why))
		err = ERR_IO;
	if (!err)
		err = token_exchange_form(a->c, &m, span_str(e->subject), actor, &form);
	const struct http_call_options o = { .url = a->c->url,
		.body = buf_view(&form),
		.fields = fields,
		.nfields = COUNT_OF(fields),
		.ca_file = a->c->ca_file,
		.deadline_us = waited < CALLER_ASK_US ? CALLER_ASK_US - waited : 1,
		.answer_bytes = ANSWER_MAX };
	if (!err)
		e->call = http_call(t->auths->http->client, &o, on_caller_answer, e);
	material_free(&m);
	if (form.n)
		explicit_bzero(form.p, form.n);
	if (e->call) {
		t->calls++;
		return;
	}
	buf_putc(&why, '\0');
	entry_failed(e, why.n > 1 ? buf_view(&why).p : "the exchange could not be started", 0);
}

static void
unqueue(struct caller_entry *e)
{
	TAILQ_REMOVE(&e->all->queue, e, of_queue);
	e->queued = false;
}

static void
start_calls(struct caller_tokens *t)
{
	struct caller_entry *e;

	while (t->calls < CALLS_MOST && (e = TAILQ_FIRST(&t->queue))) {
		unqueue(e);
		start_call(e);
	}
}

/* Asks the identity provider, unless it is known to be away. */
static void
entry_ask(struct caller_entry *e, const struct caller_ask *ask)
{
	struct auth *a = e->auth;
	uint64_t now = clock_mono_us();

	if (a->caller_closed_until_us > now) { /* logged when it began */
		entry_away(e);
		return;
	}
	if (a->caller_failures >= FAILURES_MOST) /* this one is the test */
		a->caller_closed_until_us = now + CALLER_ASK_US;
	e->asked_us = now;
	e->subject = strndup(ask->token.p, ask->token.n);
	e->expires_s = ask->expires_s;
	const struct span person[] = { SPAN_LIT("person"), ask->person };
	hash_parts(e->all, person, COUNT_OF(person), e->person);
	if (!e->subject) {
		entry_failed(e, "out of memory", 0);
		return;
	}
	e->queued = true;
	TAILQ_INSERT_TAIL(&e->all->queue, e, of_queue);
	start_calls(e->all);
}

/* Drops what is of no use any more, and ends questions that waited too long for their turn. */
static void
on_caller_tick(struct ev_loop *loop, ev_timer *w, int revents UNUSED)
{
	struct caller_tokens *t = w->data;
	struct caller_entry *e, *next;
	uint64_t now = clock_mono_us();

	for (e = TAILQ_FIRST(&t->entries); e; e = next) {
		next = TAILQ_NEXT(e, of_all);
		if (e->queued && now - e->asked_us >= CALLER_ASK_US) {
			unqueue(e);
			entry_failed(e, "the identity provider is too slow", 0);
		} else if (!is_asked(e) && e->until_us <= now) {
			entry_free(e);
		}
	}
	if (t->n)
		timer_after(loop, w, TICK_US);
}

static struct caller_tokens *
caller_tokens_of(struct auths *s)
{
	struct caller_tokens *t = s->callers;

	if (t)
		return t;
	t = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	t->auths = s;
	TAILQ_INIT(&t->entries);
	TAILQ_INIT(&t->queue);
	randombytes_buf(t->secret, sizeof(t->secret));
	ev_timer_init(&t->tick, on_caller_tick, 0., 0.);
	t->tick.data = t;
	s->callers = t;
	return t;
}

/* Drops all tokens. Questions in flight continue. */
static void
forget_all(struct caller_tokens *t)
{
	struct caller_entry *e, *next;

	for (e = TAILQ_FIRST(&t->entries); e; e = next) {
		next = TAILQ_NEXT(e, of_all);
		secret_free(&e->value);
		if (!is_asked(e) && e->end != CALLER_TOKEN_LOGIN)
			entry_free(e);
	}
}

void
caller_tokens_woken(struct auths *s)
{
	if (atomic_exchange(&s->forgets, false) && s->callers)
		forget_all(s->callers);
}

void
caller_tokens_forget(struct auths *s)
{
	if (!s || !s->http)
		return;
	atomic_store(&s->forgets, true);
	http_thread_wake(s->http);
}

void
caller_tokens_free(struct caller_tokens **tp)
{
	struct caller_tokens *t = *tp;
	struct caller_entry *e;

	if (!t)
		return;
	ev_timer_stop(t->auths->http->loop, &t->tick);
	while ((e = TAILQ_FIRST(&t->entries))) {
		if (e->queued)
			unqueue(e);
		http_call_cancel(&e->call);
		secret_free(&e->subject);
		e->waiting = NULL; /* the workers have ended */
		entry_free(e);
	}
	explicit_bzero(t, sizeof(*t));
	free(t);
	*tp = NULL;
}

static void
on_caller_ask(struct mail *m, void *arg)
{
	struct caller_ask *ask = CONTAINER_OF(m, struct caller_ask, mail);
	struct auths *s = TAGGED(auths, arg);
	struct caller_tokens *t = caller_tokens_of(s);
	const struct provider_credential *c = ask->auth->c;
	uint64_t now = clock_mono_us();
	int64_t left_s =
		ask->expires_s ? ask->expires_s - clock_wall_ns() / 1000000000 : INT32_MAX;
	unsigned char key[KEY];
	struct span actor;

	caller_tokens_woken(s);
	SCOPED_BUF(text, CAP_TOKEN_BYTES);
	SCOPED_BUF(why, WHY_MAX);
	if (left_s <= 0) {
		reply_end(ask, CALLER_TOKEN_LOGIN, "the caller's token has ended");
		return;
	}
	if (!t || !actor_token(c, &text, &actor, &why)) {
		reply_end(ask, CALLER_TOKEN_AWAY,
			t ? "the agent's own token cannot be read" : "out of memory");
		return;
	}
	question_key(t, ask->auth, ask->token, actor, key);
	struct caller_entry *e = entry_find(t, key);
	if (!e && !(e = entry_new(t, ask->auth, key))) {
		reply_end(ask, CALLER_TOKEN_AWAY,
			"too many callers' tokens are in use; retry later");
		return;
	}
	uint64_t left_us = e->until_us > now ? e->until_us - now : 0;
	if (!is_asked(e) && !e->value && left_us) {
		reply_end(ask, e->end, e->why);
		return;
	}
	bool usable = e->value && left_us > LEAST_US;
	if (!usable) {
		ask->next = e->waiting;
		e->waiting = ask;
	}
	/* a token that ends with the caller's cannot be renewed by it */
	bool renews = usable && now >= e->renew_us && left_us / 1000000 + 1 < (uint64_t)left_s;
	if (!is_asked(e) && (!usable || renews))
		entry_ask(e, ask); /* which copies, so that the worker may have `ask` back */
	if (usable) {
		metric_inc(s->metrics, M_CALLER_TOKENS_KEPT);
		reply_token(ask, e);
	}
}

void
caller_token_ask(struct caller_ask *ask)
{
	ask->mail.run = on_caller_ask;
	mailbox_send(&ask->auth->all->http->mail, &ask->mail);
}

void
caller_ask_clear(struct caller_ask *ask)
{
	secret_free(&ask->value);
	ask->n = 0;
}
