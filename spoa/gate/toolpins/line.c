/* A pin as a signed line, equal on disk and in Redis:
 *
 *   {"kind":"pin","pin":"tool","server":"tickets","name":"list_open","first":HEX,"first_at":ns,
 *    "settled":true,"approved":[HEX,…],"serial":2,"approved_at":ns,"by":"ops","seen":HEX,
 *    "seen_at":ns,"texts":["{…}",…]}
 *
 * Two versions of a pin are joined member by member, so the order of lines does not matter.
 *
 * The last section has the pins as an operator sees and approves them: lists of pins, their
 * texts, and changes of the approved hashes. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/codec/json_text.h"
#include "base/err.h"
#include "base/scoped.h"
#include "gate/store/signed.h"
#include "gate/toolpins/approve.h"
#include "gate/toolpins/private.h"

enum { TEXTS = 3 };

/* ---- writing ---- */

/* Returns a hash as a JSON string. */
static json_t *
pin_hex(const unsigned char hash[SHA256_BYTES])
{
	char text[2 * SHA256_BYTES + 1];

	sodium_bin2hex(text, sizeof(text), hash, SHA256_BYTES);
	return json_string(text);
}

static void
put_texts(json_t *o, const struct pin_value *v)
{
	const struct pin_text *all[TEXTS] = { v->first_text, v->approved_text, v->seen_text };
	json_t *list = json_array();

	for (size_t i = 0; i < TEXTS; i++) {
		bool twice = false;
		for (size_t k = 0; k < i; k++)
			twice |= all[k] == all[i];
		if (all[i] && !twice)
			json_array_append_new(list, json_stringn(all[i]->bytes, all[i]->n));
	}
	json_object_set_new(o, "texts", list);
}

void
pin_write(const struct tool_pins *p, const struct pin *pin, bool settled,
	const unsigned char key[SHA256_BYTES], struct buf *out)
{
	const struct pin_value *v = &pin->v;
	json_t *approved = json_array();

	for (size_t i = 0; i < v->napproved; i++)
		json_array_append_new(approved, pin_hex(v->approved[i]));
	json_t *o = json_pack("{s:s s:s s:s s:s% s:o s:I s:b s:o s:I s:I s:s s:o s:I}", "kind",
		"pin", "pin", tool_pin_kinds[pin->kind], "server", p->server[pin->server].name,
		"name", pin->name, pin->nname, "first", pin_hex(v->first), "first_at",
		(json_int_t)v->first_ns, "settled", (int)settled, "approved", approved,
		"serial", (json_int_t)v->serial, "approved_at", (json_int_t)v->approved_ns,
		"by", v->by, "seen", pin_hex(v->seen), "seen_at",
		(json_int_t)atomic_load(&pin->seen_ns));
	if (!o) {
		out->failed = true;
		return;
	}
	put_texts(o, v);
	signed_write(o, key, out);
	json_decref(o);
}

/* ---- reading ---- */

/* The content of a line; the texts are not read yet. */
struct said {
	struct tool_pin_of of;
	struct pin_value v;
	const json_t *texts;
};

static bool
read_approved(const json_t *list, struct pin_value *v)
{
	size_t n = json_array_size(list);

	if (!json_is_array(list) || n > CAP_TOOL_PIN_HASHES)
		return false;
	for (v->napproved = 0; v->napproved < n; v->napproved++)
		if (!sha256_read(json_span(json_array_get(list, v->napproved)),
			    v->approved[v->napproved]))
			return false;
	return true;
}

static bool
read_said(const json_t *o, struct said *out)
{
	struct span kind = json_span(json_object_get(o, "pin")),
		    by = json_span(json_object_get(o, "by"));
	size_t k = span_find(kind, tool_pin_kinds, PIN_KINDS);
	struct pin_value *v = &out->v;

	*out = (struct said){ .of = { (enum tool_pin_kind)k,
				      json_span(json_object_get(o, "server")),
				      json_span(json_object_get(o, "name")) },
		.texts = json_object_get(o, "texts") };
	v->first_ns = json_int_in(o, "first_at");
	v->seen_ns = json_int_in(o, "seen_at");
	v->approved_ns = json_int_in(o, "approved_at");
	v->serial = json_int_in(o, "serial");
	v->settled = json_is_true(json_object_get(o, "settled"));
	if (by.n < sizeof(v->by) && by.n)
		memcpy(v->by, by.p, by.n);
	return span_is(json_span(json_object_get(o, "kind")), "pin") && k < PIN_KINDS &&
	       out->of.server.n && out->of.name.n <= PIN_NAME_MAX && v->first_ns > 0 &&
	       v->seen_ns > 0 && v->serial >= 0 &&
	       sha256_read(json_span(json_object_get(o, "first")), v->first) &&
	       sha256_read(json_span(json_object_get(o, "seen")), v->seen) &&
	       read_approved(json_object_get(o, "approved"), v);
}

/* ---- joining ---- */

static int
order_numbers(int64_t x, int64_t y)
{
	return x < y ? -1 : x > y;
}

/* Returns a negative number if x was first. */
static int
order_first(const struct pin_value *x, const struct pin_value *y)
{
	int n = (int)y->settled - (int)x->settled;

	n = n ? n : order_numbers(x->first_ns, y->first_ns);
	return n ? n : memcmp(x->first, y->first, SHA256_BYTES);
}

/* Positive if x is the later set. */
static int
order_approved(const struct pin_value *x, const struct pin_value *y)
{
	int n = order_numbers(x->serial, y->serial);

	n = n ? n : order_numbers(x->approved_ns, y->approved_ns);
	n = n ? n : order_numbers((int64_t)x->napproved, (int64_t)y->napproved);
	return n ? n : memcmp(x->approved, y->approved, sizeof(x->approved));
}

/* Returns true if the pin here has something that the line lacks. *learnt: the line has
 * something new. */
static bool
join_pin(struct pin *pin, const struct pin_value *v, bool *learnt)
{
	struct pin_value *to = &pin->v;
	int first = order_first(v, to), approved = order_approved(v, to);
	int seen = order_numbers(v->seen_ns, atomic_load(&pin->seen_ns));
	bool other = memcmp(v->seen, to->seen, SHA256_BYTES) != 0;

	if (first < 0) {
		memcpy(to->first, v->first, SHA256_BYTES);
		to->first_ns = v->first_ns;
		to->settled = v->settled;
	}
	if (approved > 0) {
		memcpy(to->approved, v->approved, sizeof(to->approved));
		to->napproved = v->napproved;
		to->serial = v->serial;
		to->approved_ns = v->approved_ns;
		memcpy(to->by, v->by, sizeof(to->by));
	}
	if (seen > 0) {
		memcpy(to->seen, v->seen, SHA256_BYTES);
		to->seen_ns = v->seen_ns;
		atomic_store(&pin->seen_ns, v->seen_ns);
	}
	*learnt = first < 0 || approved > 0 || (seen > 0 && other);
	return first > 0 || approved < 0 || (seen < 0 && other);
}

static struct pin_text *
known_pin_text(struct pin_text **known, size_t n, const unsigned char hash[SHA256_BYTES])
{
	for (size_t i = 0; i < n; i++)
		if (known[i] && !memcmp(known[i]->hash, hash, SHA256_BYTES))
			return pin_text_ref(known[i]);
	return NULL;
}

/* Chooses the texts that the pin keeps, from its own and the `n` known ones. Takes over one
 * reference to each of these. Call it with the lock held. */
static void
pin_texts(struct tool_pins *p, struct pin *pin, struct pin_text **known, size_t n)
{
	struct pin_value *v = &pin->v;
	struct pin_text *was[TEXTS] = { v->first_text, v->approved_text, v->seen_text };
	struct pin_text *all[3 * TEXTS] = { NULL };
	size_t nall = 0;

	for (size_t i = 0; i < TEXTS; i++)
		all[nall++] = was[i];
	for (size_t i = 0; i < n && nall < COUNT_OF(all); i++)
		all[nall++] = known[i];
	v->first_text = known_pin_text(all, nall, v->first);
	v->seen_text = known_pin_text(all, nall, v->seen);
	v->approved_text =
		v->napproved ? known_pin_text(all, nall, v->approved[v->napproved - 1]) : NULL;
	for (size_t i = 0; i < nall; i++)
		pin_text_drop(p, pin->server, &all[i]);
}

static size_t
line_texts(struct tool_pins *p, const struct pin *pin, const json_t *list,
	struct pin_text *out[TEXTS])
{
	unsigned char hash[SHA256_BYTES];
	size_t n = 0;

	for (size_t i = 0; i < json_array_size(list) && n < TEXTS; i++) {
		struct span text = json_span(json_array_get(list, i));
		if (!text.n)
			continue;
		sha256(text, hash);
		out[n] = pin_text_new(p, pin->server, text, hash);
		n += out[n] != NULL;
	}
	return n;
}

static void
take_said_pin(struct tool_pins *p, const struct said *s, bool from_redis)
{
	struct pin_text *texts[TEXTS];
	bool made, more = false, learnt = true;

	struct pin *pin = pin_make(p, &s->of, &made);
	if (!pin)
		return;
	if (made) {
		pin->v = s->v;
		atomic_store(&pin->seen_ns, s->v.seen_ns);
	} else {
		more = join_pin(pin, &s->v, &learnt);
	}
	if (learnt) {
		pin_texts(p, pin, texts, line_texts(p, pin, s->texts, texts));
		pin_publish(p, pin);
	}
	/* New content from Redis is also written to disk. */
	if (from_redis && (more || learnt))
		pin_enqueue(p, pin, more);
	if (from_redis)
		pin->redis_due = more;
}

bool
pin_read(struct tool_pins *p, struct span line, struct span field,
	const unsigned char key[SHA256_BYTES], struct buf *why)
{
	char place[PIN_FIELD];
	struct said s;

	json_auto_t *o = signed_read(line, CAP_TOOL_PIN_LINE, key, why);
	if (!o)
		return false;
	bool ok = read_said(o, &s);
	if (!ok)
		buf_str(why, "the value is not a valid pin");
	if (ok && field.n) {
		pin_field(&s.of, place);
		ok = span_is(field, place);
		if (!ok)
			buf_str(why, "the value belongs to another pin");
		s.v.settled = true;
	}
	if (ok) {
		pthread_mutex_lock(&p->lock);
		take_said_pin(p, &s, field.n > 0);
		pthread_mutex_unlock(&p->lock);
	}
	return ok;
}

/* ---- approval ---- */

static void
set_time(json_t *o, const char *name, int64_t ns)
{
	char when[CLOCK_RFC3339_LEN + 1];

	if (!ns)
		return;
	clock_rfc3339(ns, when);
	memcpy(when + 19, "Z", 2);
	json_object_set_new(o, name, json_string(when));
}

static void
set_pin_text(json_t *o, const char *name, const struct pin_text *t)
{
	json_object_set_new(o, name, t ? json_stringn(t->bytes, t->n) : json_null());
}

/* Returns the pin as JSON. Call it with the lock held. */
static json_t *
shown_pin(const struct tool_pins *p, const struct pin *pin, bool texts)
{
	const struct pin_value *v = &pin->v;
	json_t *o = json_pack("{s:s s:s s:s% s:s}", "server", p->server[pin->server].name,
		"kind", tool_pin_kinds[pin->kind], "name", pin->name, pin->nname, "state",
		tool_states[pin_value_state(v)]);
	json_t *approved = json_array();

	json_object_set_new(o, "hash", pin_hex(v->seen));
	set_time(o, "seen", atomic_load(&pin->seen_ns));
	json_object_set_new(o, "first_hash", pin_hex(v->first));
	set_time(o, "first", v->first_ns);
	for (size_t i = 0; i < v->napproved; i++)
		json_array_append_new(approved, pin_hex(v->approved[i]));
	json_object_set_new(o, "approved_hashes", approved);
	set_time(o, "approved", v->approved_ns);
	if (v->by[0])
		json_object_set_new(o, "by", json_string(v->by));
	if (texts) {
		set_pin_text(o, "text", v->seen_text);
		set_pin_text(o, "first_text", v->first_text);
		set_pin_text(o, "approved_text", v->approved_text);
	}
	return o;
}

static int
by_place(const void *x, const void *y)
{
	const struct pin *a = *(struct pin *const *)x, *b = *(struct pin *const *)y;
	int n = a->server < b->server ? -1 : a->server > b->server;

	n = n ? n : (int)a->kind - (int)b->kind;
	return n ? n : span_order(pin_name(a), pin_name(b));
}

json_t *
tool_pins_list(struct tool_pins *p, struct span server)
{
	struct pin **v = p ? malloc(CAP_TOOL_PINS * sizeof(struct pin *)) : NULL;
	json_t *list = json_array();
	size_t n = 0;

	for (size_t i = 0; v && i < PIN_SLOTS && n < CAP_TOOL_PINS; i++) {
		struct pin *pin = atomic_load_explicit(&p->slot[i], memory_order_acquire);
		if (pin && atomic_load(&pin->state) &&
			(!server.n || span_eq(server, pin_server_name(p, pin))))
			v[n++] = pin;
	}
	if (n)
		qsort(v, n, sizeof(struct pin *), by_place);
	for (size_t i = 0; i < n; i++) {
		pthread_mutex_lock(&p->lock);
		json_array_append_new(list, shown_pin(p, v[i], false));
		pthread_mutex_unlock(&p->lock);
	}
	free(v);
	return list;
}

json_t *
tool_pins_get(struct tool_pins *p, const struct tool_pin_of *of)
{
	struct pin *pin = p ? pin_find(p, of) : NULL;

	if (!pin)
		return NULL;
	SCOPED_LOCK(&p->lock);
	return shown_pin(p, pin, true);
}

json_t *
tool_pins_full(struct tool_pins *p)
{
	size_t n = p ? atomic_load(&p->nservers) : 0;
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		if (atomic_load(&p->server[i].full))
			json_array_append_new(list, json_string(p->server[i].name));
	return list;
}

/* Call it with the lock held. */
static void
change_set(struct tool_pins *p, struct pin *pin, enum tool_pin_change change,
	const unsigned char hash[SHA256_BYTES], struct span by)
{
	struct pin_value *v = &pin->v;

	if (change != PIN_ADD) {
		memset(v->approved, 0, sizeof(v->approved));
		v->napproved = 0;
	}
	if (change != PIN_NONE)
		memcpy(v->approved[v->napproved++], hash, SHA256_BYTES);
	v->serial++;
	v->approved_ns = clock_wall_ns();
	memset(v->by, 0, sizeof(v->by));
	if (by.n && by.n < sizeof(v->by))
		memcpy(v->by, by.p, by.n);
	pin_texts(p, pin, NULL, 0);
	pin_publish(p, pin);
	pin_enqueue(p, pin, true);
}

int
tool_pins_approve(struct tool_pins *p, const struct tool_pin_of *of,
	enum tool_pin_change change, const unsigned char hash[SHA256_BYTES], struct span by)
{
	struct pin *pin = p ? pin_find(p, of) : NULL;
	int err = 0;

	if (!pin)
		return ERR_BAD_STATE;
	SCOPED_LOCK(&p->lock);
	if (change == PIN_ADD && pin_approves(&pin->v, hash))
		err = 0; /* already approved */
	else if (change == PIN_ADD && pin->v.napproved == CAP_TOOL_PIN_HASHES)
		err = ERR_FULL;
	else
		change_set(p, pin, change, hash, by);
	return err;
}
