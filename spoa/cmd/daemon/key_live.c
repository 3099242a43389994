/* tollgate key … --live: keys that the running daemon keeps, by its admin socket. What may be
 * said of a key is judged there. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/cmd.h"
#include "cmd/daemon/admin.h"
#include "cmd/daemon/key.h"
#include "policy/config/read.h"

/* "a, b" as a list; "" as null: none any more. */
static json_t *
list_of_texts(const char *text)
{
	struct span rest = span_str(text);
	json_t *list = json_array();

	while (rest.n) {
		struct span one = span_trim(span_next(&rest, ','), " ");
		if (one.n && json_array_append_new(list, json_stringn(one.p, one.n)) < 0) {
			json_decref(list);
			return NULL; /* not UTF-8 */
		}
	}
	if (json_array_size(list) == 0) {
		json_decref(list);
		return json_null();
	}
	return list;
}

/* "" as null: none any more. False: it is not UTF-8. */
static bool
set_key_text(json_t *o, const char *name, const char *text)
{
	return !text ||
	       json_object_set_new(o, name, *text ? json_string(text) : json_null()) == 0;
}

/* False after a message. */
static bool
object_of(const struct key_live *k, const char *id, json_t *o)
{
	struct apikey key = *k->key;
	bool utf8 = true;

	for (size_t i = 1; i < APIKEY_TEXTS; i++)
		utf8 &= set_key_text(o, apikey_texts[i].name, *apikey_text(&key, i));
	for (size_t i = 0; i < APIKEY_LISTS; i++)
		if (k->lists[i] && !key_list_whole(apikey_lists[i].name, k->lists[i]))
			return false;
	for (size_t i = 0; i < APIKEY_LISTS; i++)
		if (k->lists[i])
			utf8 &= json_object_set_new(o, apikey_lists[i].name,
					list_of_texts(k->lists[i])) == 0;
	utf8 = utf8 && set_key_text(o, "id", id) && set_key_text(o, "ttl", k->ttl) &&
	       set_key_text(o, "overlap", k->overlap) && set_key_text(o, "by", k->by) &&
	       set_key_text(o, "reason", k->reason);
	if (!utf8) {
		cmd_fail("key", "a name is not UTF-8");
		return false;
	}
	uint64_t us;
	if (k->until && duration_parse(span_str(k->until), &us) == 0) {
		if (!set_key_text(o, "ttl", k->until))
			return false;
	} else if (k->until) {
		char full[CMD_END_LEN];
		int64_t ns;
		if (!cmd_end("key", k->until, full, &ns) || !set_key_text(o, "expires", full))
			return false;
	}
	if (k->clearance) {
		int64_t n;
		if (!cmd_whole("key", "clearance", k->clearance, &n))
			return false;
		json_object_set_new(o, "clearance", json_integer(n));
	}
	return true;
}

static int
change_key(const struct key_live *k, const char *page, const char *id, const char *done)
{
	json_t *o = json_object(), *answer = NULL;
	int code = EXIT_CANNOT;

	if (object_of(k, id, o))
		answer = admin_call_json("key", k->config, page, o, &code);
	if (answer) {
		code = admin_changed("key", answer, done);
		const char *text = json_str_in(answer, "key");
		if (text && k->json)
			printf("{\"id\":\"%s\",\"key\":\"%s\"}\n", json_str_in(answer, "id"),
				text);
		else if (text) {
			fputs("Shown only now:\n", stderr);
			printf("%s\n", text);
		}
	}
	json_decref(answer);
	json_decref(o);
	return code;
}

static void
put_key_row(struct buf *b, const json_t *one)
{
	admin_cell(b, one, "id", 10, "?");
	admin_cell(b, one, "person", 24, "-");
	admin_cell(b, one, "team", 16, "");
	admin_cell(b, one, "created", 22, "-");
	admin_cell(b, one, "expires", 22, "never");
	buf_printf(b, "%s\n", json_str_in(one, "state"));
}

static int
list_live_keys(const struct key_live *k)
{
	int code;
	json_t *answer = admin_call_json("key", k->config, "/keys", NULL, &code);

	if (answer && !json_is_true(json_object_get(answer, "state_key")))
		code = cmd_fail("key", "the daemon has no state_key: no key can be made at run "
				       "time");
	else if (answer)
		code = admin_print_rows("key", json_object_get(answer, "keys"), k->json,
			KEY_LIST_HEAD, put_key_row);
	json_decref(answer);
	return code;
}

int
key_at_run_time(const struct key_live *k, int n, char **operands)
{
	const char *verb = operands[0];

	if (!strcmp(verb, "list") && n == 1)
		return list_live_keys(k);
	if (!strcmp(verb, "new") && n == 1)
		return change_key(k, "/keys/new", NULL, "is in force");
	if (!strcmp(verb, "change") && n == 2)
		return change_key(k, "/keys/change", operands[1], "is changed");
	if (!strcmp(verb, "rotate") && n == 2)
		return change_key(k, "/keys/rotate", operands[1], "takes its place");
	if (!strcmp(verb, "revoke") && n == 2)
		return change_key(k, "/keys/revoke", operands[1], "is revoked");
	return -1;
}
