/* tollgate key … --live: keys that the running daemon keeps, by its admin socket. What may be
 * said of a key is judged there. */
#include <stdio.h>
#include <string.h>

#include "cmd/cmd.h"
#include "cmd/daemon/key.h"

/* "" as null: none any more. */
static void
give_key_text(struct admin_cmd *c, const char *name, const char *text)
{
	if (text)
		admin_give(c, name, *text ? json_string(text) : json_null());
}

static void
give_key(struct key_live *k, const char *id)
{
	struct apikey key = *k->key;
	struct admin_cmd *c = &k->c;
	int64_t n;

	for (size_t i = 0; i < APIKEY_LISTS && !c->wrong; i++)
		c->wrong = k->lists[i] && !key_list_whole(apikey_lists[i].name, k->lists[i]);
	if (c->wrong)
		return;
	for (size_t i = 1; i < APIKEY_TEXTS; i++)
		give_key_text(c, apikey_texts[i].name, *apikey_text(&key, i));
	for (size_t i = 0; i < APIKEY_LISTS; i++) /* "a, b"; "" as null */
		if (k->lists[i])
			admin_give(c, apikey_lists[i].name,
				span_trim(span_str(k->lists[i]), ", ").n
					? admin_texts(k->lists[i])
					: json_null());
	give_key_text(c, "id", id);
	give_key_text(c, "ttl", k->ttl);
	give_key_text(c, "overlap", k->overlap);
	admin_give_end(c, "expires", k->until);
	if (k->clearance && !c->wrong) {
		c->wrong = !cmd_whole("key", "clearance", k->clearance, &n);
		admin_give(c, "clearance", json_integer(n));
	}
}

static int
change_key(struct key_live *k, const char *page, const char *id, const char *done)
{
	k->c.in = json_object();
	give_key(k, id);
	json_auto_t *answer = admin_answer(&k->c, page);
	if (answer) {
		bool taken = !json_is_false(json_object_get(answer, "taken"));
		k->c.code = admin_changed("key", answer, taken ? done : "is kept");
		if (!taken)
			fputs("tollgate: key: the policy in force has no identity entry with "
			      "api_key: requests with this key get 401 until it has one\n",
				stderr);
		const char *text = json_str_in(answer, "key");
		if (text && k->c.json)
			printf("{\"id\":\"%s\",\"key\":\"%s\"}\n", json_str_in(answer, "id"),
				text);
		else if (text) {
			fputs("Shown only now:\n", stderr);
			printf("%s\n", text);
		}
	}
	return k->c.code;
}

/* clang-format off */
static const struct admin_column key_columns[] = {
	{ "ID",      10, "id", .none = "?" },
	{ "PERSON",  24, "person", .none = "-" },
	{ "TEAM",    16, .name = "team" },
	{ "CREATED", 22, "created", .none = "-" },
	{ "EXPIRES", 22, "expires", .none = "never" },
	{ "STATE",    0, "state", .none = "?", .bare = true },
	{ .heading = NULL },
};
static const struct {
	const char *verb;
	int operands;
	const char *page, *done;
} key_verbs[] = {
	{ "new",    1, "/keys/new",    "is in force" },
	{ "change", 2, "/keys/change", "is changed" },
	{ "rotate", 2, "/keys/rotate", "takes its place" },
	{ "revoke", 2, "/keys/revoke", "is revoked" },
};
/* clang-format on */

int
key_at_run_time(struct key_live *k, int n, char **operands)
{
	static const struct admin_list list = { "/keys", "keys", key_columns,
		"no key can be made" };

	k->c.what = "key";
	if (!strcmp(operands[0], "list") && n == 1)
		return admin_list(&k->c, &list);
	for (size_t i = 0; i < COUNT_OF(key_verbs); i++)
		if (!strcmp(operands[0], key_verbs[i].verb) && n == key_verbs[i].operands)
			return change_key(k, key_verbs[i].page, n == 2 ? operands[1] : NULL,
				key_verbs[i].done);
	return -1;
}
