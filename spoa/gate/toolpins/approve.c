/* Lists of pins, their texts, and changes of the approved hashes. */
#include "gate/toolpins/approve.h"

#include <sodium.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/scoped.h"
#include "gate/toolpins/private.h"

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
