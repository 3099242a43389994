/* Placeholders of conversations that a provider or an MCP server keeps (docs/placeholders.md).
 * Before the rewrite, the tables stored under the ids that the request names are read, so that
 * placeholders continue. After it, the placeholders of this turn are added to the tables of
 * objects that the request extends; the whole table is stored under each id that the response
 * makes, before the caller sees that id. */
#include "gate/sources/kept.h"

#include <sodium.h>

#include "answer/guard/guard.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/push.h"
#include "base/scoped.h"
#include "base/sha256.h"
#include "gate/exchange.h"

/* Initial size of kept_asked.seen. */
enum { FIRST_SEEN = 64 };

/* The tables of one request. In its arena; owner: worker. */
struct kept_asked {
	struct tag tag;
	struct request *r;
	struct kept_table {
		struct kept_asked *of;
		struct kept_name name;
		unsigned char key[KEPT_KEY_BYTES];
		/* found: the table was stored. full: the table reached its limit, and a new one
		 * replaces it */
		bool found, full;
	} v[OWNED_MAX];
	size_t n, waits; /* waits: replies from Redis outstanding */
	bool tagged;	 /* one of the tables lost a chunk, so numbers may repeat */
	uint64_t floor;	 /* numbers up to this one were given */
	struct kept_entry *entry;
	size_t nentries, room;
	/* hashes of (placeholder, table, occurrence) already read, with open addressing */
	uint64_t *seen;
	size_t nseen, seen_size;
	bool added; /* this turn's placeholders were added */
};

/* ---- entries already read ---- */

static uint64_t
seen_hash(struct span placeholder, size_t table, enum occurrence occurs)
{
	uint64_t place = (table + 1) * (OCCURS_AS_TEXT + 1) + occurs;

	return (span_hash(placeholder) ^ place * UINT64_C(0x9E3779B97F4A7C15)) | 1;
}

static uint64_t *
seen_slot(uint64_t *v, size_t size, uint64_t h)
{
	size_t at = (size_t)(h >> 1) & (size - 1);

	while (v[at] && v[at] != h)
		at = (at + 1) & (size - 1);
	return &v[at];
}

static bool
grow_seen(struct kept_asked *k)
{
	size_t size = k->seen_size ? 2 * k->seen_size : FIRST_SEEN;
	uint64_t *v = arena_array(&k->r->arena, size, sizeof(*v));

	for (size_t i = 0; v && i < k->seen_size; i++)
		if (k->seen[i])
			*seen_slot(v, size, k->seen[i]) = k->seen[i];
	if (!v)
		return false;
	k->seen = v;
	k->seen_size = size;
	return true;
}

/* Notes that the table holds the placeholder with this occurrence. Returns true if that is new.
 */
static bool
note_seen(struct kept_asked *k, struct span placeholder, size_t table, enum occurrence occurs)
{
	uint64_t h = seen_hash(placeholder, table, occurs);

	if (2 * (k->nseen + 1) > k->seen_size && !grow_seen(k))
		return true;
	uint64_t *slot = seen_slot(k->seen, k->seen_size, h);
	bool is_new = *slot == 0;
	k->nseen += is_new;
	*slot = h;
	return is_new;
}

/* ---- reading tables ---- */

/* Reads the entries of one chunk that were not read before. */
static void
take_chunk(struct kept_table *t, struct span plain)
{
	struct kept_asked *k = t->of;
	struct arena *a = &k->r->arena;
	struct kept_chunk c;
	struct kept_entry e;

	if (!kept_read_head(plain, &c))
		return;
	k->tagged |= c.tagged;
	k->floor = c.floor > k->floor ? c.floor : k->floor;
	while (kept_read_entry(&c, &e)) {
		if (!note_seen(k, e.placeholder, (size_t)(t - k->v), e.occurs))
			continue;
		e.placeholder = arena_dup(a, e.placeholder);
		if (e.value.p) {
			e.entity = arena_dup(a, e.entity);
			e.value = arena_dup(a, e.value);
		}
		ARENA_PUSH(a, k->entry, k->nentries, k->room, 16, e);
	}
}

/* Reads all chunks of a table. A chunk that cannot be decrypted counts as lost. */
static void
take_table(struct kept_table *t, struct span stored)
{
	const struct kept_tables *all = t->of->r->gate->shared->kept;
	int more = 1;

	while (more > 0) {
		SCOPED_BUF(plain, 0);
		more = kept_chunk(all, t->key, &stored, &plain);
		if (more > 0) {
			t->found = true;
			take_chunk(t, buf_view(&plain));
		}
	}
	if (more < 0) {
		t->found = false;
		t->of->tagged = true;
	}
}

static void
table_came(void *arg, int err, const struct span *pairs, size_t n)
{
	struct kept_table *t = arg;
	struct kept_asked *k = TAGGED(kept_asked, t->of);

	INVARIANT(k->waits > 0 && k->waits <= k->n);
	t->full |= err == ERR_LIMIT;
	if (!err && n == 1)
		take_table(t, pairs[1]);
	if (--k->waits == 0)
		k->r->calls->back(k->r);
}

/* ---- before the rewrite ---- */

static size_t
collect_kept_names(const struct request *r, struct kept_name out[OWNED_MAX])
{
	if (!request_is_mcp(r))
		return dialect_kept_names(&r->found.endpoint,
			r->in.have_body ? &r->in.body : NULL, r->in.target, r->in.ntarget, out);
	/* without a session, the caller has one table for each server */
	struct span name =
		r->found.session.n ? r->found.session : span_str(r->found.route->name);
	out[0] = (struct kept_name){ .id = file_name_of(name), .grows = true };
	return 1;
}

/* Determines how the request's placeholders continue, after its tables were read. */
static void
settle_kept(struct request *r)
{
	const struct kept_asked *k = r->run.kept;
	struct found_kept *f = &r->found.kept;
	bool turns = f->keeps != KEEPS_OBJECT, lost = false;

	for (size_t i = 0; i < k->n; i++) {
		turns &= k->v[i].name.turn && k->v[i].found;
		lost |= k->v[i].name.turn && !k->v[i].found;
	}
	f->state = lost			 ? KEPT_LOST
		   : !turns || k->tagged ? KEPT_TAGGED
		   : k->n		 ? KEPT_GOES_ON
					 : KEPT_BEGINS;
}

/* Asks for the tables. STEP_WAIT: call request_kept_tables() again when the replies arrived. */
static enum step_result
ask_tables(struct request *r, const struct kept_name *name, size_t n)
{
	struct gate *g = r->gate;
	struct kept_tables *all = g->shared->kept;
	struct kept_asked *k = arena_new(&r->arena, struct kept_asked);
	struct redis *redis = kept_tables_shared(all) ? g->pins.redis : NULL;

	if (!k)
		return request_overload(r);
	TAG(kept_asked, k);
	k->r = r;
	k->n = n;
	r->run.kept = k;
	for (size_t i = 0; i < n; i++) {
		struct kept_table *t = &k->v[i];
		SCOPED_BUF(stored, 0);
		t->of = k;
		t->name = name[i];
		kept_key(all, r->found.pin.who, span_of(&t->name.id, sizeof(t->name.id)),
			t->key);
		if (kept_get(all, t->key, &stored))
			take_table(t, buf_view(&stored));
	}
	if (redis && redis_up(redis))
		k->waits = n;
	for (size_t i = 0; i < n && k->waits; i++)
		kept_ask(redis, k->v[i].key, table_came, &k->v[i]);
	if (!k->waits)
		return STEP_NEXT;
	request_asked(r);
	return request_waits(r, WAIT_PINS);
}

enum step_result
request_kept_tables(struct request *r)
{
	struct found_kept *f = &r->found.kept;
	struct kept_name name[OWNED_MAX];

	request_waited(r);
	if (!r->run.kept) {
		*f = (struct found_kept){ 0 };
		if (!(r->found.route->response & RESP_RESTORE) ||
			(r->in.message && !r->in.placeholders))
			return STEP_NEXT;
		f->keeps = request_is_mcp(r) ? KEEPS_OBJECT
					     : dialect_keeps(&r->found.endpoint,
						       r->in.have_body ? &r->in.body : NULL);
		size_t n = collect_kept_names(r, name);
		if (n == 0 && f->keeps == KEEPS_NOTHING)
			return STEP_NEXT;
		enum step_result s = ask_tables(r, name, n);
		if (s != STEP_NEXT)
			return s;
	}
	if (arena_failed(&r->arena))
		return request_overload(r);
	settle_kept(r);
	return STEP_NEXT;
}

/* New values get placeholders with a tag of the caller, so that they cannot equal numbers given
 * elsewhere. */
static void
tag_new_values(const struct request *r, struct placeholders *p)
{
	unsigned char key[PLACEHOLDER_TAG_KEY];

	kept_tag_key(r->gate->shared->kept, r->found.pin.who, key);
	placeholders_tag(p, key);
	sodium_memzero(key, sizeof(key));
}

/* Tags new values of a session that may hold placeholders given elsewhere. A session of
 * OpenAI's realtime API or Gemini's Live begins empty; engine/session.c tags one that is
 * resumed. A session of the Responses API may continue any earlier response, and Gemini's may
 * use a file. Without `restore` nothing is replaced in responses, so equal numbers do no harm.
 */
static void
tag_session(struct request *r)
{
	const char *name = r->found.endpoint.name;
	struct kept_name kept[OWNED_MAX];
	bool responses = name && !strcmp(name, "responses"),
	     live = name && !strcmp(name, "live");

	if (r->gate && r->found.route->response & RESP_RESTORE &&
		(responses || (live && collect_kept_names(r, kept))))
		tag_new_values(r, r->out.placeholders);
}

/* Adds the earlier turn's entries to the session's placeholders. If a placeholder then has two
 * values, it is not restored any more. */
bool
request_kept_open(struct request *r)
{
	const struct kept_asked *k = r->run.kept;
	struct placeholders *p = r->out.placeholders;

	if (p)
		tag_session(r);
	if (r->found.kept.state == KEPT_NOT || !k)
		return true;
	if (!p)
		p = placeholders_new(&r->arena);
	for (size_t i = 0; p && i < k->nentries; i++) {
		const struct kept_entry *e = &k->entry[i];
		if (!placeholders_add(p, e->placeholder, e->entity, e->value))
			return false;
	}
	if (!p)
		return false;
	placeholders_raise(p, (size_t)k->floor);
	if (r->found.kept.state == KEPT_TAGGED || r->found.kept.state == KEPT_LOST)
		tag_new_values(r, p);
	r->out.placeholders = p;
	return true;
}

void
request_kept_occurrences(const struct request *r, struct vault *v)
{
	const struct kept_asked *k = r->run.kept;

	for (size_t i = 0; k && i < k->nentries; i++)
		vault_note_occurrence(v, k->entry[i].placeholder, k->entry[i].occurs);
}

/* ---- the placeholders of this turn ---- */

/* A table being written. */
struct kept_writing {
	struct buf *out;
	const struct vault *vault; /* has the occurrences of the values; NULL: not known */
	/* entries that this table already holds are left out; NULL: none */
	struct kept_asked *without;
	size_t table, n;
	bool full; /* entries were left out for lack of room */
};

/* Writes an entry. The caller's own credential is never restored, so its value is left out. */
static void
write_kept(void *arg, struct span placeholder, struct span entity, struct span value)
{
	struct kept_writing *w = arg;
	struct kept_entry e = { placeholder, entity, value,
		w->vault ? vault_occurrence(w->vault, placeholder) : OCCURS_IN_PROSE };

	if (span_is(entity, "CREDENTIAL"))
		e.entity = e.value = (struct span){ NULL, 0 };
	if (w->without && !note_seen(w->without, placeholder, w->table, e.occurs))
		return;
	if (w->n >= CAP_KEPT_VALUES ||
		w->out->n + placeholder.n + entity.n + value.n + 64 > KEPT_CHUNK_MOST) {
		w->full = true;
		return;
	}
	kept_write_entry(w->out, &e);
	w->n++;
}

/* Writes a table. If entries had to be left out, the second byte marks the table, so that later
 * values get tags. */
static bool
write_table(const struct request *r, struct kept_writing *w)
{
	const struct placeholders *p = r->out.placeholders;
	bool tagged = r->found.kept.state == KEPT_TAGGED || r->found.kept.state == KEPT_LOST;

	kept_write_head(w->out, tagged, placeholders_floor(p));
	placeholders_all(p, write_kept, w);
	if (w->full && !buf_failed(w->out))
		w->out->p[w->out->start + 1] = 1;
	return !buf_failed(w->out);
}

/* Adds to the tables of objects that the request extends, because the provider has them as soon
 * as it is sent. */
static void
add_to_names(struct request *r, const struct vault *v, struct span holder)
{
	struct kept_asked *k = r->run.kept;

	for (size_t i = 0; i < k->n && !k->added; i++) {
		if (k->v[i].name.turn || !k->v[i].name.grows)
			continue;
		SCOPED_BUF(chunk, 0);
		struct kept_writing w = { .out = &chunk, .vault = v, .without = k, .table = i };
		if (write_table(r, &w) && w.n)
			kept_add(r->gate->shared->kept, r->gate->pins.redis, k->v[i].key,
				&(struct kept_addition){ .holder = holder,
					.chunk = buf_view(&chunk),
					.now_ms = r->now_wall_ns / 1000000,
					.anew = k->v[i].full });
	}
	k->added = true;
}

int
exchange_keep_placeholders(struct request *r, struct exchange *x, struct arena *own)
{
	const struct identity *id = &r->found.identity;
	const struct kept_asked *k = r->run.kept;

	x->kept.saves = false;
	if (r->found.kept.state == KEPT_NOT || !r->out.placeholders || !k || request_erased(r))
		return 0;
	x->kept.holder = arena_dup(own, id->person.n ? id->person : id->key_id);
	const struct vault *vault = x->vault ? x->vault : x->of_session;
	add_to_names(r, vault, x->kept.holder);
	if (r->found.kept.keeps == KEEPS_NOTHING || request_is_mcp(r))
		return 0;
	SCOPED_BUF(table, 0);
	struct kept_writing w = { .out = &table, .vault = vault };
	if (!write_table(r, &w))
		return ERR_NOMEM;
	if (r->found.kept.keeps == KEEPS_OBJECT && !w.n)
		return 0; /* the object has no placeholders, so no table is needed */
	x->kept.table = arena_dup(own, buf_view(&table));
	x->kept.nsaved = 0;
	for (size_t i = 0; i < k->n; i++)
		x->kept.saved[x->kept.nsaved++] = k->v[i].name.id;
	x->kept.saves = x->kept.table.p != NULL;
	return x->kept.saves ? 0 : ERR_NOMEM;
}

static bool
is_saved(const struct exchange *x, const struct file_name *f)
{
	for (size_t i = 0; i < x->kept.nsaved; i++)
		if (!memcmp(&x->kept.saved[i], f, sizeof(*f)))
			return true;
	return false;
}

void
exchange_save_placeholders(struct exchange *x)
{
	struct request *r = x->r;
	const struct guard_report *a =
		x->kept.saves && x->guard ? guard_report(x->guard) : NULL;
	unsigned char key[KEPT_KEY_BYTES];

	if (!a || a->nmade == x->kept.looked || request_erased(r))
		return;
	/* if the list is full, the guard overwrites the oldest id: look at all again */
	x->kept.looked = a->nmade < OWNED_MAX ? a->nmade : 0;
	for (size_t i = 0; i < a->nmade; i++) {
		if (is_saved(x, &a->made[i].id))
			continue;
		kept_key(r->gate->shared->kept, r->found.pin.who,
			span_of(&a->made[i].id, sizeof(a->made[i].id)), key);
		kept_add(r->gate->shared->kept, r->gate->pins.redis, key,
			&(struct kept_addition){ .holder = x->kept.holder,
				.chunk = x->kept.table,
				.now_ms = clock_wall_ns() / 1000000 });
		x->kept.saved[x->kept.nsaved++ % KEPT_SAVED_MAX] = a->made[i].id;
	}
}
