/* The table of pins, and the state of listed texts.
 *
 * Readers take no lock. A slot is written once, pins are never removed, and the few words
 * that change are protected by a sequence number. A worker compares a keyed hash of the
 * listed bytes with that of the last ones, and only takes the lock if they differ.
 *
 * The canonical text of a JSON value is made from a small tree, in which the members of each
 * object are sorted. The JSON reader limits depth and number of nodes. */
#include "gate/toolpins/tool_pins.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/codec/json.h"
#include "base/err.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/notice.h"
#include "base/random.h"
#include "base/scoped.h"
#include "base/wall.h"
#include "gate/toolpins/private.h"

/* ---- canonical texts ---- */

struct node {
	enum json_tok tok;
	struct span name; /* name of the member, without escapes */
	/* a string without escapes; a number, true, false or null as written */
	struct span text;
	struct node *child, *next;
	size_t n;
};

struct reader {
	struct arena *a;
	struct json *j;
	struct span in;
};

/* value = object | array | string | number | "true" | "false" | "null". The first token has
 * been read. Returns NULL on an error, see json_error(). */
static struct node *
read_canonical_value(struct reader *r, struct json_event *ev)
{
	struct node *v = arena_new(r->a, struct node), **at;

	if (!v)
		return NULL;
	v->tok = ev->tok;
	v->text = ev->tok == JSON_STRING ? json_text(r->a, r->in, ev)
					 : span_cut(r->in, ev->start, ev->end);
	if (v->tok != JSON_OBJECT && v->tok != JSON_ARRAY)
		return v->tok > JSON_ERROR && v->text.p ? v : NULL;
	for (at = &v->child;
		json_next(r->j, ev) != JSON_OBJECT_END && ev->tok != JSON_ARRAY_END;
		at = &(*at)->next, v->n++) {
		struct span name = { NULL, 0 };
		if (ev->tok == JSON_KEY) {
			name = json_text(r->a, r->in, ev);
			if (!name.p)
				return NULL;
			json_next(r->j, ev);
		}
		if (ev->tok <= JSON_ERROR || !(*at = read_canonical_value(r, ev)))
			return NULL;
		(*at)->name = name;
	}
	return v;
}

static int
node_by_name(const void *x, const void *y)
{
	return span_order((*(struct node *const *)x)->name, (*(struct node *const *)y)->name);
}

static bool
write_value(struct arena *a, const struct node *v, const char *without, struct buf *out)
{
	bool object = v->tok == JSON_OBJECT, first = true;
	struct node **list = arena_array(a, v->n + 1, sizeof(struct node *));
	size_t n = 0;

	if (!list)
		return false;
	if (v->tok == JSON_STRING) {
		buf_json_str(out, v->text);
		return true;
	}
	if (!object && v->tok != JSON_ARRAY) {
		buf_span(out, v->text);
		return true;
	}
	for (struct node *c = v->child; c; c = c->next)
		list[n++] = c;
	if (object && n)
		qsort(list, n, sizeof(struct node *), node_by_name);
	buf_putc(out, object ? '{' : '[');
	for (size_t i = 0; i < n; i++) {
		if (object && without && span_is(list[i]->name, without))
			continue;
		if (!first)
			buf_putc(out, ',');
		first = false;
		if (object) {
			buf_json_str(out, list[i]->name);
			buf_putc(out, ':');
		}
		if (!write_value(a, list[i], NULL, out))
			return false;
	}
	buf_putc(out, object ? '}' : ']');
	return true;
}

int
canonical_write(struct arena *a, struct span json, const char *without, struct buf *out)
{
	struct reader r = { .a = a, .j = json_open(a, json), .in = json };
	struct json_event ev;

	if (!r.j)
		return ERR_NOMEM;
	json_next(r.j, &ev);
	struct node *v = read_canonical_value(&r, &ev);
	int err = json_error(r.j, NULL, NULL);
	if (!v)
		return err ? err : ERR_NOMEM;
	/* text after the value is not JSON */
	if (json_next(r.j, &ev) != JSON_END)
		return json_error(r.j, NULL, NULL);
	return write_value(a, v, without, out) && !buf_failed(out) ? 0 : ERR_NOMEM;
}

/* ---- the table ---- */

#define SAID_AGAIN_US 600000000u
#define SEEN_STEP_NS  1000000000
#define ARENA_BYTES   (64u << 20)

const char *const tool_pin_kinds[] = { "tool", "prompt", "instructions", NULL };

static uint64_t
slot_hash(const struct tool_pins *p, const struct tool_pin_of *of)
{
	unsigned char out[crypto_shorthash_BYTES];
	struct {
		uint64_t server, name;
		uint32_t kind, pad;
	} both = { .kind = of->kind };

	crypto_shorthash(out, (const void *)of->server.p, of->server.n, p->slot_key);
	memcpy(&both.server, out, sizeof(both.server));
	crypto_shorthash(out, (const void *)of->name.p, of->name.n, p->slot_key);
	memcpy(&both.name, out, sizeof(both.name));
	crypto_shorthash(out, (const void *)&both, sizeof(both), p->slot_key);
	memcpy(&both.name, out, sizeof(both.name));
	return both.name;
}

/* Returns the slot that has the pin, or where it would be inserted. */
static size_t
find_slot(const struct tool_pins *p, const struct tool_pin_of *of, uint64_t hash)
{
	for (size_t at = hash % PIN_SLOTS;; at = (at + 1) % PIN_SLOTS) {
		struct pin *pin = atomic_load_explicit(&p->slot[at], memory_order_acquire);
		if (!pin || (pin->hash == hash && pin->kind == of->kind &&
				    span_eq(pin_name(pin), of->name) &&
				    span_eq(pin_server_name(p, pin), of->server)))
			return at;
	}
}

struct pin *
pin_find(const struct tool_pins *p, const struct tool_pin_of *of)
{
	return atomic_load_explicit(
		&p->slot[find_slot(p, of, slot_hash(p, of))], memory_order_acquire);
}

static int
find_server(const struct tool_pins *p, struct span name)
{
	size_t n = atomic_load_explicit(&p->nservers, memory_order_acquire);

	for (size_t i = 0; i < n; i++)
		if (span_is(name, p->server[i].name))
			return (int)i;
	return -1;
}

/* Call it with the lock held. Returns a negative number if there is no room. */
static int
make_server(struct tool_pins *p, struct span name)
{
	size_t n = atomic_load_explicit(&p->nservers, memory_order_relaxed);
	int at = find_server(p, name);

	if (at >= 0 || n == CAP_TOOL_PIN_SERVERS)
		return at;
	p->server[n].name = strndup(name.p ? name.p : "", name.n);
	if (!p->server[n].name)
		return -1;
	atomic_store_explicit(&p->nservers, n + 1, memory_order_release);
	return (int)n;
}

void
pin_field(const struct tool_pin_of *of, char out[PIN_FIELD])
{
	unsigned char hash[SHA256_BYTES];
	struct sha256 h;

	sha256_begin(&h);
	sha256_add(&h, span_str(tool_pin_kinds[of->kind]));
	sha256_add(&h, span_of("\0", 1));
	sha256_add(&h, of->server);
	sha256_add(&h, span_of("\0", 1));
	sha256_add(&h, of->name);
	sha256_end(&h, hash);
	sodium_bin2hex(out, PIN_FIELD, hash, PIN_FIELD / 2);
}

/* Logged once for each server, and once for the table. */
static void
log_full(struct tool_pins *p, const struct tool_pin_of *of, _Atomic bool *full, size_t cap)
{
	atomic_fetch_add(&p->refused, 1);
	if (!atomic_exchange(full, true))
		log_event(LOG_ERROR, "pin.full", LSP("server", of->server), LI("pins", cap),
			LS("why", "the list has more entries than can be pinned: the other "
				  "entries are hidden and denied"));
}

struct pin *
pin_make(struct tool_pins *p, const struct tool_pin_of *of, bool *made)
{
	uint64_t hash = slot_hash(p, of);
	size_t slot = find_slot(p, of, hash);
	struct pin *pin = atomic_load_explicit(&p->slot[slot], memory_order_relaxed);
	size_t n = atomic_load_explicit(&p->n, memory_order_relaxed);

	*made = false;
	if (pin)
		return pin;
	int server = n < CAP_TOOL_PINS ? make_server(p, of->server) : -1;
	if (server < 0) {
		log_full(p, of, &p->full, n);
		return NULL;
	}
	struct pin_server *share = &p->server[server];
	if (share->n == CAP_TOOL_PINS_SERVER) {
		log_full(p, of, &share->full, share->n);
		return NULL;
	}
	pin = calloc(1, sizeof(*pin) + of->name.n + 1);
	if (!pin)
		return NULL;
	pin->kind = of->kind;
	pin->server = (unsigned)server;
	pin->nname = of->name.n;
	pin->hash = hash;
	if (of->name.n)
		memcpy(pin->name, of->name.p, of->name.n);
	pin_field(of, pin->field);
	share->n++;
	atomic_store(&p->n, n + 1);
	*made = true;
	atomic_store_explicit(&p->slot[slot], pin, memory_order_release);
	return pin;
}

struct tool_pins *
tool_pins_new(void)
{
	struct tool_pins *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->slot = calloc(PIN_SLOTS, sizeof(*p->slot));
	if (!p->slot) {
		free(p);
		return NULL;
	}
	random_bytes(p->raw_key, sizeof(p->raw_key));
	random_bytes(p->slot_key, sizeof(p->slot_key));
	pthread_mutex_init(&p->lock, NULL);
	p->queue_end = &p->queue;
	return p;
}

void
tool_pins_free(struct tool_pins **pp)
{
	struct tool_pins *p = *pp;

	*pp = NULL;
	if (!p)
		return;
	for (size_t i = 0; i < PIN_SLOTS; i++) {
		struct pin *pin = p->slot[i];
		if (!pin)
			continue;
		pin_text_drop(p, pin->server, &pin->v.first_text);
		pin_text_drop(p, pin->server, &pin->v.approved_text);
		pin_text_drop(p, pin->server, &pin->v.seen_text);
		free(pin);
	}
	for (size_t i = 0; i < p->nservers; i++)
		free(p->server[i].name);
	pthread_mutex_destroy(&p->lock);
	free(p->slot);
	free(p);
}

/* ---- texts; with the lock ---- */

struct pin_text *
pin_text_new(struct tool_pins *p, unsigned server, struct span text, const unsigned char *hash)
{
	struct pin_server *s = &p->server[server];
	struct pin_text *t;

	if (text.n > CAP_TOOL_PIN_TEXT || s->text_bytes + text.n > CAP_TOOL_PIN_TEXTS ||
		!(t = malloc(sizeof(*t) + text.n)))
		return NULL;
	t->refs = 1;
	t->n = text.n;
	memcpy(t->hash, hash, sizeof(t->hash));
	memcpy(t->bytes, text.p, text.n);
	s->text_bytes += text.n;
	return t;
}

struct pin_text *
pin_text_ref(struct pin_text *t)
{
	if (t)
		t->refs++;
	return t;
}

void
pin_text_drop(struct tool_pins *p, unsigned server, struct pin_text **tp)
{
	struct pin_text *t = *tp;

	*tp = NULL;
	if (!t || --t->refs)
		return;
	p->server[server].text_bytes -= t->n;
	sodium_memzero(t, sizeof(*t) + t->n);
	free(t);
}

/* ---- states ---- */

bool
pin_approves(const struct pin_value *v, const unsigned char hash[SHA256_BYTES])
{
	for (size_t i = 0; i < v->napproved; i++)
		if (!memcmp(hash, v->approved[i], SHA256_BYTES))
			return true;
	return false;
}

enum tool_state
pin_value_state(const struct pin_value *v)
{
	if (pin_approves(v, v->seen))
		return TOOL_APPROVED;
	return memcmp(v->seen, v->first, SHA256_BYTES) ? TOOL_CHANGED : TOOL_NEW;
}

static void
notice_pin(const struct tool_pins *p, const struct pin *pin, bool over)
{
	struct span server = pin_server_name(p, pin), name = pin_name(pin);
	const char *kind = tool_pin_kinds[pin->kind];
	char whole[NOTICE_NAME];

	if (!notice_wanted(NOTICE_PIN))
		return;
	snprintf(whole, sizeof(whole), "%.*s%s%.*s", SPAN_ARG(server), name.n ? "/" : "",
		SPAN_ARG(name));
	const struct notice_of of = { .kind = NOTICE_PIN,
		.over = over,
		.what = over ? "pin_settled" : "pin_changed",
		.name = span_str(whole) };
	const struct log_field numbers[] = { LSP("server", server), LS("pin", kind),
		LSP("name", name) };
	notice_send(&of, numbers, 3,
		over ? "%s %s has its approved text again"
		     : "%s %s has another text than at first: compare with tollgate tools "
		       "diff, then approve "
		       "or remove the tool",
		kind, whole);
}

/* Publishes the words that workers read without the lock. Call it with the lock held. */
static void
publish_pin(struct tool_pins *p, struct pin *pin, const uint64_t raw[2], enum tool_state now)
{
	enum tool_state was = atomic_load(&pin->state);

	atomic_fetch_add(&pin->seq, 1);
	atomic_store(&pin->raw[0], raw[0]);
	atomic_store(&pin->raw[1], raw[1]);
	atomic_store(&pin->state, now);
	atomic_fetch_add(&pin->seq, 1);
	if ((now == TOOL_CHANGED) != (was == TOOL_CHANGED))
		atomic_fetch_add(&p->changed, now == TOOL_CHANGED ? 1 : (size_t)-1);
	if (now != TOOL_CHANGED && was == TOOL_CHANGED)
		notice_pin(p, pin, true);
	if (now != TOOL_CHANGED || was == TOOL_CHANGED)
		return;
	atomic_fetch_add(&p->changes, 1);
	notice_pin(p, pin, false);
	uint64_t us = clock_mono_us();
	if (pin->said_us && us - pin->said_us < SAID_AGAIN_US)
		return;
	pin->said_us = us;
	log_event(LOG_WARN, "pin.changed", LSP("server", pin_server_name(p, pin)),
		LS("kind", tool_pin_kinds[pin->kind]), LSP("name", pin_name(pin)));
}

void
pin_publish(struct tool_pins *p, struct pin *pin)
{
	uint64_t raw[2];

	/* random: the next listed bytes do not match and are read again */
	random_bytes(raw, sizeof(raw));
	publish_pin(p, pin, raw, pin_value_state(&pin->v));
}

void
pin_enqueue(struct tool_pins *p, struct pin *pin, bool soon)
{
	pin->soon |= soon;
	p->puts += soon;
	pin->file_due = pin->redis_due = true;
	if (pin->queued)
		return;
	pin->queued = true;
	pin->next = NULL;
	*p->queue_end = pin;
	p->queue_end = &pin->next;
}

/* ---- listed texts ---- */

/* Returns false if the bytes differ from the last ones. */
static bool
as_before(struct pin *pin, const uint64_t raw[2], enum tool_state *state)
{
	uint32_t seq = atomic_load(&pin->seq);
	uint64_t first = atomic_load(&pin->raw[0]), second = atomic_load(&pin->raw[1]);

	*state = atomic_load(&pin->state);
	return !(seq & 1) && first == raw[0] && second == raw[1] &&
	       seq == atomic_load(&pin->seq);
}

/* Call it with the lock held. */
static void
take_seen(struct tool_pins *p, struct pin *pin, bool made, struct span text,
	const unsigned char hash[SHA256_BYTES])
{
	struct pin_value *v = &pin->v;
	bool other = made || memcmp(v->seen, hash, SHA256_BYTES) != 0;

	v->seen_ns = wall_now_ns();
	atomic_store(&pin->seen_ns, v->seen_ns);
	if (!other)
		return;
	memcpy(v->seen, hash, SHA256_BYTES);
	pin_text_drop(p, pin->server, &v->seen_text);
	struct pin_text *const known[] = { v->first_text, v->approved_text };
	for (size_t i = 0; i < COUNT_OF(known) && !v->seen_text; i++)
		if (known[i] && !memcmp(known[i]->hash, hash, SHA256_BYTES))
			v->seen_text = pin_text_ref(known[i]);
	if (!v->seen_text)
		v->seen_text = pin_text_new(p, pin->server, text, hash);
	if (made) {
		memcpy(v->first, hash, SHA256_BYTES);
		v->first_ns = v->seen_ns;
		v->first_text = pin_text_ref(v->seen_text);
	}
	pin_enqueue(p, pin, made);
}

static enum tool_state
see_other(struct tool_pins *p, const struct tool_pin_of *of, struct span json,
	const uint64_t raw[2])
{
	unsigned char hash[SHA256_BYTES];
	enum tool_state state = TOOL_CHANGED;
	bool made;

	SCOPED_ARENA(a, ARENA_BYTES, false);
	SCOPED_BUF(text, 2 * CAP_TOOL_PIN_ENTRY);
	bool unreadable =
		json.n > CAP_TOOL_PIN_ENTRY ||
		canonical_write(&a, json, of->kind == PIN_TOOL ? "_meta" : NULL, &text);
	if (unreadable)
		atomic_fetch_add(&p->refused, 1);
	else
		sha256(buf_view(&text), hash);
	SCOPED_LOCK(&p->lock);
	struct pin *pin = unreadable ? pin_find(p, of) : pin_make(p, of, &made);
	if (pin && !unreadable) {
		take_seen(p, pin, made, buf_view(&text), hash);
		state = pin_value_state(&pin->v);
	}
	/* A text that cannot be read differs from the one that was listed before. Calls are
	 * treated as changed on this daemon until a readable text is listed. */
	if (pin)
		publish_pin(p, pin, raw, state);
	return state;
}

static bool
can_be_pinned(const struct tool_pin_of *of)
{
	return of->name.n <= PIN_NAME_MAX && span_chr(of->name, '\0') == of->name.n;
}

enum tool_state
tool_pins_see(struct tool_pins *p, const struct tool_pin_of *of, struct span json)
{
	unsigned char out[crypto_shorthash_siphashx24_BYTES];
	enum tool_state state;
	uint64_t raw[2];

	if (!p)
		return TOOL_UNPINNED;
	if (!can_be_pinned(of)) {
		atomic_fetch_add(&p->refused, 1);
		return TOOL_CHANGED;
	}
	crypto_shorthash_siphashx24(out, (const void *)json.p, json.n, p->raw_key);
	memcpy(raw, out, sizeof(raw));
	struct pin *pin = pin_find(p, of);
	if (!pin || !as_before(pin, raw, &state))
		return see_other(p, of, json, raw);
	int64_t now = wall_now_ns();
	if (now - atomic_load_explicit(&pin->seen_ns, memory_order_relaxed) > SEEN_STEP_NS)
		atomic_store_explicit(&pin->seen_ns, now, memory_order_relaxed);
	return state;
}

/* ---- calls ---- */

enum tool_state
tool_pins_state(struct tool_pins *p, const struct tool_pin_of *of)
{
	enum tool_state state;

	if (!p || !can_be_pinned(of))
		return TOOL_UNPINNED;
	struct pin *pin = pin_find(p, of);
	if (pin && (state = atomic_load(&pin->state)))
		return state;
	int server = find_server(p, of->server);
	/* An entry without room was hidden, so a call must not pass as if it had never been
	 * listed. */
	bool full = server < 0 ? atomic_load(&p->full)
			       : atomic_load(&p->full) || atomic_load(&p->server[server].full);
	return full ? TOOL_CHANGED : TOOL_UNLISTED;
}

static struct span
description_in(struct span text, struct arena *a)
{
	struct json *j = json_open(a, text);
	struct json_event ev;

	if (!j || json_next(j, &ev) != JSON_OBJECT)
		return SPAN_LIT("");
	while (json_next(j, &ev) == JSON_KEY) {
		if (!ev.escaped && span_is(span_cut(text, ev.start, ev.end), "description"))
			return json_next(j, &ev) == JSON_STRING ? json_text(a, text, &ev)
								: SPAN_LIT("");
		json_skip(j, &ev);
	}
	return SPAN_LIT("");
}

struct span
tool_pins_text(struct tool_pins *p, const struct tool_pin_of *of, struct arena *a)
{
	struct pin *pin = p && can_be_pinned(of) ? pin_find(p, of) : NULL;
	struct span text = SPAN_LIT("");

	if (!pin)
		return text;
	SCOPED_LOCK(&p->lock);
	if (pin->v.seen_text)
		text = arena_dup(a, span_of(pin->v.seen_text->bytes, pin->v.seen_text->n));
	return text;
}

struct span
tool_pins_description(struct tool_pins *p, const struct tool_pin_of *of, struct arena *a)
{
	struct span text = tool_pins_text(p, of, a);

	return text.n ? description_in(text, a) : SPAN_LIT("");
}

/* ---- numbers ---- */

size_t
tool_pins_count(struct tool_pins *p)
{
	return p ? atomic_load(&p->n) : 0;
}

size_t
tool_pins_changed(struct tool_pins *p)
{
	return p ? atomic_load(&p->changed) : 0;
}

void
tool_pins_metrics(struct tool_pins *p, struct buf *out)
{
	if (!p)
		return;
	const struct {
		const char *name, *type, *help;
		uint64_t n;
	} rows[] = {
		{ "tool_pins", "gauge",
			"Pins of tools, prompts and instructions of MCP servers.",
			atomic_load(&p->n) },
		{ "tool_pins_changed", "gauge",
			"Pins hidden and denied because their text is neither the first nor "
			"approved.",
			atomic_load(&p->changed) },
		{ "tool_pin_changes_total", "counter",
			"Counts pins whose text changed without approval.",
			atomic_load(&p->changes) },
		{ "tool_pin_refused_total", "counter",
			"Counts listed texts that could not be pinned and are treated as "
			"changed.",
			atomic_load(&p->refused) },
		{ "tool_pin_forged_total", "counter",
			"Counts pins in Redis that no daemon with this state_key wrote.",
			atomic_load(&p->forged) },
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		metrics_head(out, rows[i].name, rows[i].type, rows[i].help);
		buf_printf(
			out, "tollgate_%s %llu\n", rows[i].name, (unsigned long long)rows[i].n);
	}
}
