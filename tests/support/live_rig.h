/* Entries made at run time, in a file of the test's own. For one file of a test program;
 * include after cmocka's header. */
#ifndef TESTS_LIVE_RIG_H
#define TESTS_LIVE_RIG_H

#include "gate/changes/live.h"
#include "support/temp_dir.h"

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OWN  ",\"sha256\":\"" HASH "\",\"person\":\"al\""
/* A key's entry with that serial and further members. */
#define ENTRY(serial, rest) "{\"kind\":\"key\",\"id\":\"7f3k2m9p\",\"serial\":" serial rest "}"

static const unsigned char secret[SHA256_BYTES] = "a key of 32 bytes for the tests";
static char file[96];
static struct metrics metrics;

static inline int
live_rig_make(void **state)
{
	if (temp_dir_make(state))
		return -1;
	snprintf(file, sizeof(file), "%s/live", dir);
	return 0;
}

/* Returns the entry of a JSON text, or NULL with the reason in *why. */
static inline struct live_entry *
make(const char *json, struct buf *why)
{
	json_t *o = json_loads(json, 0, NULL);

	assert_non_null(o);
	buf_init(why, 1024);
	struct live_entry *e = live_entry_make(o, secret, why);
	json_decref(o);
	return e;
}

static inline struct live_entry *
must(const char *json)
{
	struct buf why;
	struct live_entry *e = make(json, &why);

	if (!e)
		fail_msg("%s: %.*s", json, SPAN_ARG(buf_view(&why)));
	buf_free(&why);
	return e;
}

static inline struct live *
opened(void)
{
	struct buf why;

	buf_init(&why, 1024);
	struct live *l = live_open(file, NULL, "n", secret, &metrics, &why);
	if (!l)
		fail_msg("%.*s", SPAN_ARG(buf_view(&why)));
	buf_free(&why);
	return l;
}

#endif
