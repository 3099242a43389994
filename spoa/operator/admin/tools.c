/* Pins of MCP tools, prompts and instructions: lists them, shows their texts and approves a
 * text. */
#include <microhttpd.h>
#include <sodium.h>

#include "base/codec/json_text.h"
#include "base/scoped.h"
#include "gate/toolpins/sync.h"
#include "operator/admin/change.h"
#include "operator/server/server.h"

#define WAIT_US 700000u

/* Minimum digits of a given hash. With fewer, a server could craft two texts whose hashes begin
 * alike, show one for inspection, and serve the other after its approval. */
enum { HASH_MIN = 32, LOOK = 32 };

/* ---- lists ---- */

static void
hash_row(struct sha256 *h, const json_t *row)
{
	static const char *const members[] = { "kind", "name", "hash" };

	for (size_t i = 0; i < COUNT_OF(members); i++) {
		sha256_add(h, json_span(json_object_get(row, members[i])));
		sha256_add(h, span_of("\0", 1));
	}
}

unsigned
admin_tools(struct server *s, struct buf *out)
{
	json_t *list = tool_pins_list(s->pinning.pins, SPAN_LIT(""));
	json_t *full = tool_pins_full(s->pinning.pins);

	/* `look` is a hash over all pins of a server, so that approving all of them approves
	 * exactly those that were seen. */
	size_t n = json_array_size(list);

	for (size_t from = 0, to; from < n; from = to) {
		const char *server = json_str_in(json_array_get(list, from), "server");
		unsigned char hash[SHA256_BYTES];
		char text[LOOK + 1];
		struct sha256 h;
		sha256_begin(&h);
		for (to = from; to < n; to++) {
			json_t *row = json_array_get(list, to);
			if (!str_same(json_str_in(row, "server"), server))
				break;
			hash_row(&h, row);
		}
		sha256_end(&h, hash);
		sodium_bin2hex(text, sizeof(text), hash, LOOK / 2);
		for (size_t i = from; i < to; i++)
			json_object_set_new(json_array_get(list, i), "look", json_string(text));
	}
	return calls_json(
		out, json_pack("{s:b s:o s:o}", "state_key", s->shared_cfg->state_key != NULL,
			     "full", full, "tools", list));
}

/* ---- one ---- */

/* Reads which pin the call means. Returns false after answering with an error. */
static bool
named_tool(struct change *c, struct tool_pin_of *of)
{
	const char *server = change_text(c, "server"), *name = change_text(c, "name"),
		   *kind = change_text(c, "kind");

	if (c->status != MHD_HTTP_OK)
		return false;
	size_t k = kind ? span_find(span_str(kind), tool_pin_kinds, PIN_KINDS)
			: (size_t)(name && name[0] ? PIN_TOOL : PIN_INSTRUCTIONS);
	if (k == PIN_KINDS)
		return change_refuse(c, MHD_HTTP_BAD_REQUEST,
			"kind %.32s: send tool, prompt or instructions", kind);
	if (!server || !server[0])
		return change_refuse(c, MHD_HTTP_BAD_REQUEST,
			"server: this parameter is missing: name the "
			"MCP server");
	if ((k == PIN_INSTRUCTIONS) != !(name && name[0]))
		return change_refuse(c, MHD_HTTP_BAD_REQUEST,
			k == PIN_INSTRUCTIONS ? "name: instructions have no name: leave it "
						"out"
					      : "name: this parameter is missing: name the %s",
			tool_pin_kinds[k]);
	*of = (struct tool_pin_of){ (enum tool_pin_kind)k, span_str(server),
		name ? span_str(name) : SPAN_LIT("") };
	return true;
}

/* Returns a new object with the pin, or NULL after answering with an error. */
static json_t *
get_pin(struct change *c, struct tool_pin_of *of)
{
	json_t *pin = named_tool(c, of) ? tool_pins_get(c->s->pinning.pins, of) : NULL;

	if (!pin && c->status == MHD_HTTP_OK)
		change_refuse(c, MHD_HTTP_NOT_FOUND,
			"%.64s%s%.128s: this server has not listed such a %s%s", of->server.p,
			of->name.n ? "/" : "", of->name.p, tool_pin_kinds[of->kind],
			of->name.n ? "" : "; write a tool as SERVER/NAME");
	return pin;
}

unsigned
admin_tool_show(struct server *s, const struct admin_peer *peer, json_t *in, struct buf *out)
{
	struct change c = { .s = s, .peer = peer, .in = in, .out = out, .status = MHD_HTTP_OK };
	struct tool_pin_of of = { .server = SPAN_LIT("") };
	json_t *pin = get_pin(&c, &of);

	return pin ? calls_json(out, pin) : c.status;
}

/* ---- approvals ---- */

/* Finds which text of the pin the given hash begins, and stores the full hash in *whole.
 * Returns false after answering with an error. */
static bool
find_hash(struct change *c, const json_t *pin, const char **whole)
{
	const char *given = change_text(c, "hash"), *now = json_text_in(pin, "hash"),
		   *first = json_text_in(pin, "first_hash");
	struct span h = span_str(given);

	if (c->status != MHD_HTTP_OK)
		return false;
	if (h.n < HASH_MIN || h.n > 2 * SHA256_BYTES ||
		strspn(given, "0123456789abcdef") != h.n)
		return change_refuse(c, MHD_HTTP_BAD_REQUEST,
			"hash: send %d to 64 lower-case hexadecimal digits, as `tollgate "
			"tools show` prints them",
			HASH_MIN);
	*whole = span_starts(span_str(now), h)	   ? now
		 : span_starts(span_str(first), h) ? first
						   : NULL;
	return *whole ||
	       change_refuse(c, MHD_HTTP_CONFLICT,
		       "%.64s/%.128s: no text of this pin has the hash %.64s; the current one "
		       "has %.16s: see tollgate tools diff",
		       json_text_in(pin, "server"), json_text_in(pin, "name"), given, now);
}

static bool
is_full(const json_t *pin, const char *hash)
{
	const json_t *list = json_object_get(pin, "approved_hashes");
	bool has = false;

	for (size_t i = 0; i < json_array_size(list); i++)
		has |= str_same(json_string_value(json_array_get(list, i)), hash);
	return !has && json_array_size(list) >= CAP_TOOL_PIN_HASHES;
}

static json_t *
recorded_pin(const json_t *pin, const char *id)
{
	return json_pack("{s:s s:O s:O s:O s:O s:O s:O}", "id", id, "server",
		json_object_get(pin, "server"), "kind", json_object_get(pin, "kind"), "name",
		json_object_get(pin, "name"), "hash", json_object_get(pin, "hash"), "state",
		json_object_get(pin, "state"), "approved",
		json_object_get(pin, "approved_hashes"));
}

static void
set_approved(json_t *after, const json_t *pin, const char *hash, bool only)
{
	json_t *list = hash && !only ? json_copy(json_object_get(pin, "approved_hashes"))
				     : json_array();
	bool has = false;

	for (size_t i = 0; i < json_array_size(list); i++)
		has |= str_same(json_string_value(json_array_get(list, i)), hash);
	if (hash && !has)
		json_array_append_new(list, json_string(hash));
	json_object_set_new(after, "approved", list);
	if (hash)
		json_object_set_new(after, "hash", json_string(hash));
	json_object_del(after, "state");
}

/* Approves the text of a pinned tool that `hash` names, in addition to the approved ones or,
 * with `only`, in their place. `none` withdraws all approvals. */
static bool
change_tools(struct change *c, json_t **before, json_t **after)
{
	bool only = json_is_true(json_object_get(c->in, "only")),
	     none = json_is_true(json_object_get(c->in, "none"));
	struct tool_pin_of of = { .server = SPAN_LIT("") };
	json_auto_t *pin = get_pin(c, &of);
	const char *hash = NULL;
	char id[256];

	if (!pin)
		return false;
	snprintf(id, sizeof(id), "%.96s%s%.*s", of.server.p, of.name.n ? "/" : "",
		SPAN_ARG(of.name));
	if (none && json_object_get(c->in, "hash"))
		change_refuse(c, MHD_HTTP_BAD_REQUEST,
			"none: send either this or a hash, not "
			"both");
	else if (!none && find_hash(c, pin, &hash) && !only && is_full(pin, hash))
		change_refuse(c, MHD_HTTP_CONFLICT,
			"%d texts of this pin are approved already: --only approves this one "
			"in their place",
			CAP_TOOL_PIN_HASHES);
	if (c->status == MHD_HTTP_OK) {
		*before = recorded_pin(pin, id);
		*after = recorded_pin(pin, id);
		set_approved(*after, pin, hash, only);
	}
	return c->status == MHD_HTTP_OK && change_sign(c, *after);
}

/* Applies an approval after it was recorded. The response has whether other daemons received
 * it. */
static void
apply_approval(struct change *c, const json_t *after)
{
	const json_t *list = json_object_get(after, "approved");
	size_t n = json_array_size(list), bytes;
	struct span kind = json_span(json_object_get(after, "kind"));
	const struct tool_pin_of of = {
		.kind = (enum tool_pin_kind)span_find(kind, tool_pin_kinds, PIN_KINDS),
		.server = json_span(json_object_get(after, "server")),
		.name = json_span(json_object_get(after, "name")),
	};
	struct span by = json_span(json_object_get(after, "by"));
	struct tool_pins *pins = c->s->pinning.pins;
	struct tool_pins_sync *sync = pinning_sync(c->s);
	bool shared = c->s->shared_cfg->state_key && c->s->shared_cfg->redis_url;
	unsigned char hash[SHA256_BYTES];

	if (n == 0)
		tool_pins_approve(pins, &of, PIN_NONE, NULL, by);
	else if (sodium_hex2bin(hash, sizeof(hash), json_text_in(after, "hash"),
			 2 * SHA256_BYTES, NULL, &bytes, NULL) == 0)
		tool_pins_approve(pins, &of, n == 1 ? PIN_ONLY : PIN_ADD, hash, by);
	SCOPED_BUF(why, 1024);
	bool told = sync && tool_pins_sync_wait(sync, WAIT_US, &why);
	json_object_set_new(c->answer, "redis",
		json_string(!shared ? "none"
			    : told  ? "written"
				    : "away"));
	if (sync && !told)
		json_object_set_new(
			c->answer, "why", json_stringn(buf_view(&why).p, buf_view(&why).n));
}
const struct change_row admin_tool_approve = { "tool", 0, "approve", change_tools,
	apply_approval };
