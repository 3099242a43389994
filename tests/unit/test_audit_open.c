/* tollgate audit open: the printed text equals the sealed one and belongs to a record that
 * verifies. In all other cases, a word gives the reason why nothing is printed. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include "base/codec/json_text.h"
#include "base/log.h"
#include "support/seal_rig.h"

#define PROMPT "{\"messages\":[\"what alice asked\"]}"
#define ANSWER "{\"choices\":[\"what was answered\"]}\n"

/* Requests of two people. The journal is closed, so that a checkpoint covers it. */
static int
sealed_setup(void **state)
{
	setup(state);
	r.cfg.journal_segment_bytes = 64 << 20;
	tree_pace = (struct tree_pace){ UINT64_MAX, UINT64_MAX, true }; /* at its end */
	if (!rig_start(&r))
		fail_msg("%s", buf_view(&r.why).p);
	buf_clear(&r.why);
	seal_start();
	seal_request("alice", "alice", "req-1", PROMPT, ANSWER);
	seal_request("bob", "bob", "req-2", "what bob asked", NULL);
	return 0;
}

static int
sealed_teardown(void **state)
{
	seal_stop();
	return teardown(state);
}

static int
open_with(const char *id, const char *more)
{
	return audit("open %s --journal %s --public-key %s.pub --shares %s %s", id, r.journal,
		r.key, sr.shares_file, more);
}

static int
open_text(const char *id, const char *more)
{
	char options[512];

	snprintf(options, sizeof(options), "--key %s %s", sr.key, more);
	return open_with(id, options);
}

static void
wants(const char *name, int code, int want, const char *text)
{
	if (code != want || !strstr(said, text))
		fail_msg("%s: %d, %s (wanted: %d, %s)", name, code, said, want, text);
}

/* After any failure: asserts that nothing of a text was printed. */
static void
nothing_is_shown(const char *name)
{
	if (strstr(said, "what alice asked") || strstr(said, "what was answered"))
		fail_msg("%s: %s", name, said);
}

static void
sealed_text_is_printed(void **state)
{
	(void)state;
	audit_stop(&r.audit);
	wants("both", open_text("req-1", ""), 0, PROMPT);
	wants("the answer, on a line of its own", 0, 0, "\n" ANSWER);
	wants("which", 0, 0, "prompt of the decision gw-1/");
	wants("and which", 0, 0, "response of the completion gw-1/");
	wants("how", 0, 0, ", full, 33 bytes");
	wants("one", open_text("req-1", "--part response"), 0, ANSWER);
	assert_null(strstr(said, PROMPT));
	wants("line by line", open_text("req-1", "--part prompt --no-index"), 0, PROMPT);
	assert_null(strstr(said, ANSWER));
}

static void
key_with_a_passphrase_opens(void **state)
{
	char options[512];

	(void)state;
	audit_stop(&r.audit);
	rig_sh("umask 077; printf 'a word\\nmore\\n' > %s/pass; printf 'another\\n' > "
	       "%s/wrong; openssl pkey -in %s -aes256 -passout 'pass:a word' -out %s/locked",
		r.dir, r.dir, sr.key, r.dir);
	snprintf(options, sizeof(options), "--key %s/locked", r.dir);
	wants("none is given", open_with("req-1", options), 2,
		"the key is encrypted, and no passphrase is given");
	nothing_is_shown("none is given");
	snprintf(options, sizeof(options), "--key %s/locked --passphrase-file %s/wrong", r.dir,
		r.dir);
	wants("a wrong one", open_with("req-1", options), 2, "does not decrypt the key");
	snprintf(options, sizeof(options), "--key %s/locked --passphrase-file %s/pass", r.dir,
		r.dir);
	wants("it", open_with("req-1", options), 0, PROMPT);
}

static void
invalid_arguments_are_refused(void **state)
{
	static const struct {
		const char *name, *id, *options;
		int code;
		const char *says;
	} rows[] = {
		{ "a part that is none", "req-1", "--part all", 2,
			"--part: all: give prompt, response or tools" },
		{ "of what was never", "req-9", "", 1, "req-9: no such record here" },
		{ "a part that was not kept", "req-2", "--part response", 1,
			"req-2: no response was kept for it" },
		{ "a stream", "req-1", "--redis unix:/nowhere", 2, "omit --redis" },
		{ "the other way too", "req-1", "--sealed", 2, "usage:" },
	};

	(void)state;
	audit_stop(&r.audit);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		wants(rows[i].name, open_text(rows[i].id, rows[i].options), rows[i].code,
			rows[i].says);
		nothing_is_shown(rows[i].name);
	}
	wants("without a key", open_with("req-1", ""), 2, "usage:");
	rig_sh("chmod 644 %s", sr.shares_file);
	wants("shares that others may read", open_text("req-1", ""), 2, "not_given: ");
	nothing_is_shown("shares that others may read");
}

static void
only_the_auditors_of_a_text_can_open_it(void **state)
{
	char options[512];

	(void)state;
	audit_stop(&r.audit);
	rig_sh("umask 077; openssl genpkey -algorithm X25519 -out %s/other", r.dir);
	snprintf(options, sizeof(options), "--key %s/other", r.dir);
	wants("another's key", open_with("req-1", options), 1, ": not sealed to this key");
	nothing_is_shown("another's key");
}

static bool
is_alice(void *arg, struct span holder)
{
	(void)arg;
	return span_is(holder, "alice");
}

static void
missing_text_is_reported_by_its_reason(void **state)
{
	(void)state;
	SCOPED_BUF(erased, 4096);
	assert_int_equal(shares_erase(sr.shares, is_alice, NULL, "e1", 1, 1, &erased), 0);
	audit_stop(&r.audit);
	wants("erased", open_text("req-1", ""), 1, "prompt of the decision gw-1/");
	wants("erased", 0, 0, ": erased: ");
	wants("the answer too", 0, 0, "response of the completion gw-1/");
	nothing_is_shown("erased");
	wants("another's", open_text("req-2", ""), 0, "what bob asked");
	/* Ciphertext that retention removed. */
	rig_sh("rm %s.texts/*", r.journal);
	wants("trimmed", open_text("req-2", ""), 1, ": trimmed: ");
	/* A file of shares that began again. */
	shares_close(&sr.shares);
	rig_sh("rm %s", sr.shares_file);
	SCOPED_BUF(why, 4096);
	uint64_t lost;
	sr.shares = shares_open(sr.shares_file, sr.head, "gw-1", &lost, &why, &why);
	assert_non_null(sr.shares);
	assert_int_equal(lost, 1);
	wants("lost", open_text("req-2", ""), 1, ": lost: ");
	wants("what was erased is so still", open_text("req-1", ""), 1, ": erased: ");
}

static void
changed_text_or_record_is_not_opened(void **state)
{
	(void)state;
	audit_stop(&r.audit);
	/* Overwrites four bytes of the ciphertext of alice's prompt with a value that one of
	 * them could already have. */
	rig_sh("cp -r %s.texts %s/texts; f=$(ls %s.texts/*); printf '\\377\\000\\377\\000' | dd of=$f bs=1 "
	       "seek=150 conv=notrunc status=none",
		r.journal, r.dir, r.journal);
	wants("a changed ciphertext", open_text("req-1", "--part prompt"), 1, ": damaged: ");
	nothing_is_shown("a changed ciphertext");
	wants("the answer is as it was", open_text("req-1", "--part response"), 0, ANSWER);
	rig_sh("rm -r %s.texts; mv %s/texts %s.texts", r.journal, r.dir, r.journal);
	wants("as it was", open_text("req-1", "--part prompt"), 0, PROMPT);
	/* A word in the record itself is changed. */
	rig_sh("sed -i "
	       "'s/\"id\":\"req-1\",\"decided_at\":\"2026/"
	       "\"id\":\"req-1\",\"decided_at\":\"2025/' "
	       "%s/*.jsonl",
		r.journal);
	int code = open_text("req-1", "--no-index");
	wants("a changed record", code, 1, "do not have the root of the checkpoint");
	nothing_is_shown("a changed record");
}

static void
text_of_an_unsigned_record_is_not_opened(void **state)
{
	char other[1024];

	(void)state;
	wants("no checkpoint yet", open_text("req-1", ""), 1, "no checkpoint covers it yet");
	nothing_is_shown("no checkpoint yet");
	audit_stop(&r.audit);
	rig_sh("umask 077; openssl genpkey -algorithm ed25519 -out %s/k2; openssl pkey -in "
	       "%s/k2 -pubout -out %s/k2.pub",
		r.dir, r.dir, r.dir);
	snprintf(other, sizeof(other),
		"open req-1 --journal %s --public-key %s/k2.pub --shares %s --key %s",
		r.journal, r.dir, sr.shares_file, sr.key);
	wants("signed by another", audit("%s", other), 1, "does not verify: wrong key");
	nothing_is_shown("signed by another");
}

static void
output_for_programs_is_complete(void **state)
{
	(void)state;
	audit_stop(&r.audit);
	assert_int_equal(open_with("req-1", "--sealed"), 0);
	nothing_is_shown("sealed");
	/* The JSON is one line of the output. */
	char *begin = strchr(said, '{');
	assert_non_null(begin);
	json_t *o = json_loads(begin, JSON_DISABLE_EOF_CHECK, NULL), *one;
	size_t i;
	assert_string_equal(json_text_in(o, "node"), "gw-1");
	assert_int_equal(json_array_size(json_object_get(o, "records")), 2);
	json_array_foreach(json_object_get(o, "records"), i, one)
	{
		assert_string_equal(json_text_in(one, "part"), i ? "response" : "prompt");
		assert_string_equal(json_text_in(one, "type"), i ? "completion" : "decision");
		assert_int_equal(strlen(json_text_in(one, "share")), 44);
		assert_string_equal(json_text_in(json_object_get(one, "seal"), "seal"),
			json_text_in(json_object_get(one, "kept"), "seal"));
		assert_int_equal(json_array_size(json_object_get(one, "parts")), 1);
		assert_null(json_object_get(one, "why"));
	}
	json_decref(o);
	SCOPED_BUF(erased, 4096);
	assert_int_equal(shares_erase(sr.shares, is_alice, NULL, "e1", 1, 1, &erased), 0);
	assert_int_equal(open_with("req-1", "--sealed"), 0);
	wants("erased", 0, 0, "\"why\":\"erased\"");
	assert_null(strstr(said, "\"share\":\""));
	assert_null(strstr(said, "\"parts\""));
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, sealed_setup, sealed_teardown)
	const struct CMUnitTest tests[] = {
		T(sealed_text_is_printed),
		T(key_with_a_passphrase_opens),
		T(invalid_arguments_are_refused),
		T(only_the_auditors_of_a_text_can_open_it),
		T(missing_text_is_reported_by_its_reason),
		T(changed_text_or_record_is_not_opened),
		T(text_of_an_unsigned_record_is_not_opened),
		T(output_for_programs_is_complete),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
