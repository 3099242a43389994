/* Manifests of exports: which object is signed and read, and which line is valid. Without a
 * journal; tests/unit/test_export.c tests the commands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "record/proof/export.h"
#include "support/guard.h"

#define H "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define CHAIN                                                                                  \
	"{\"node\":\"gw-1\",\"first\":1,\"last\":5,\"records\":5,\"head\":\"" H                \
	"\",\"checkpoint\":null}"
#define OBJECT                                                                                 \
	"{\"format\":\"jsonl\",\"made\":\"2026-11-24T00:00:00Z\",\"since\":null,\"until\":"    \
	"\"2026-12-01T00:00:00Z\",\"terms\":{},\"file\":{\"name\":\"e\",\"bytes\":0,"          \
	"\"sha256\":"                                                                          \
	"\"" H "\"},\"records\":5,\"types\":{\"decision\":5},\"chains\":[" CHAIN "]}"

static struct buf why;

static const char *
said(void)
{
	buf_putc(&why, '\0');
	return buf_view(&why).p;
}

static bool
is_object(struct span text)
{
	buf_clear(&why);
	json_t *o = export_object(text, &why);

	json_decref(o);
	return o != NULL;
}

static void
signed_object_is_valid_or_refused(void **state)
{
	/* clang-format off */
	static const struct { const char *name, *from, *to, *why; /* NULL: valid */ } rows[] = {
		{ "as it is", "jsonl", "csv", NULL },
		{ "a chain with a part of its records", "\"last\":5", "\"last\":9", NULL },
		{ "no records at all", "\"records\":5,\"types\":{\"decision\":5},\"chains\":[" CHAIN "]", "\"records\":0,\"types\":{},\"chains\":[]", NULL },
		{ "not in this order", "\"format\"", "\"made\"", "not the object" },
		{ "a newline inside", "\"terms\":{}", "\"terms\":{\n}", "not the object" },
		{ "a member twice", "\"terms\":{}", "\"terms\":{},\"terms\":{}", "not JSON" },
		{ "a format that is none", "jsonl", "", "format is missing" },
		{ "no time", "\"made\":\"2026-11-24T00:00:00Z\"", "\"made\":null", "made is missing" },
		{ "another kind of time", "\"since\":null", "\"since\":\"soon\"", "since is missing" },
		{ "terms that are a list", "\"terms\":{}", "\"terms\":[]", "terms is missing" },
		{ "a file in another folder", "\"name\":\"e\"", "\"name\":\"../e\"", "file.name" },
		{ "a folder", "\"name\":\"e\"", "\"name\":\"..\"", "file.name" },
		{ "a name that a terminal obeys", "\"name\":\"e\"", "\"name\":\"\\u001b[2J\"", "file.name" },
		{ "no name", "\"name\":\"e\"", "\"name\":\"\"", "file.name" },
		{ "less than no bytes", "\"bytes\":0", "\"bytes\":-1", "file.bytes" },
		{ "a hash in capitals", "ddeeff\"},", "DDEEFF\"},", "file.sha256" },
		{ "a hash that is short", "ddeeff\"},", "ddeef\"},", "file.sha256" },
		{ "records that are a text", "\"records\":5,\"types\"", "\"records\":\"5\",\"types\"", "records is missing" },
		{ "less than no records", "\"records\":5,\"types\"", "\"records\":-5,\"types\"", "records is missing" },
		{ "more records than the chains have", "\"records\":5,\"types\"", "\"records\":6,\"types\"", "records is not the sum" },
		{ "fewer", "\"records\":5,\"types\"", "\"records\":4,\"types\"", "chains: a chain has more records" },
		{ "a chain that ends before its records do", "\"last\":5", "\"last\":4", "chains: a chain has more records" },
		{ "a chain of no records", "\"records\":5,\"head\"", "\"records\":0,\"head\"", "chains.records" },
		{ "a record before the first", "\"first\":1", "\"first\":0", "chains.first" },
		{ "a node that is a path", "\"gw-1\"", "\"gw/1\"", "chains.node" },
		{ "a checkpoint that is none", "\"checkpoint\":null", "\"checkpoint\":\"x\"", "chains.checkpoint" },
		{ "a type that nothing has", "\"decision\":5", "\"decision\":0", "types: a count" },
		{ "what follows it", "]}", "]} {}", "not JSON" },
	};
	/* clang-format on */
	char text[2048];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const char *at = strstr(OBJECT, rows[i].from);
		assert_non_null(at);
		snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - OBJECT), OBJECT, rows[i].to,
			at + strlen(rows[i].from));
		if (is_object(span_str(text)) != !rows[i].why ||
			(rows[i].why && !strstr(said(), rows[i].why)))
			fail_msg("%s: %s", rows[i].name, said());
	}
}

/* 64 chains and 32 KB are read, and no more. */
static void
signed_object_is_limited(void **state)
{
	static char text[EXPORT_OBJECT_MAX + 2];
	struct buf b;

	(void)state;
	for (int n = EXPORT_CHAINS_MAX; n <= EXPORT_CHAINS_MAX + 1; n++) {
		buf_init(&b, 0);
		const char *chains = strstr(OBJECT, CHAIN),
			   *records = strstr(OBJECT, "5,\"types");
		buf_span(&b, span_of(OBJECT, (size_t)(records - OBJECT)));
		buf_printf(&b, "%d", 5 * n);
		buf_span(&b, span_of(records + 1, (size_t)(chains - records - 1)));
		for (int i = 0; i < n; i++)
			buf_str(&b, i ? "," CHAIN : CHAIN);
		buf_str(&b, "]}");
		if (is_object(buf_view(&b)) != (n == EXPORT_CHAINS_MAX))
			fail_msg("%d chains: %s", n, said());
		buf_free(&b);
	}
	size_t n = strlen(OBJECT);
	memset(text, ' ', sizeof(text));
	memcpy(text, OBJECT, n - 1);
	for (size_t over = 0; over < 2; over++) {
		text[EXPORT_OBJECT_MAX - 1] = over ? ' ' : '}';
		text[EXPORT_OBJECT_MAX] = over ? '}' : ' ';
		assert_int_equal(is_object(span_of(text, EXPORT_OBJECT_MAX + over)), !over);
	}
}

static struct signkey
key_from(const char seed[33])
{
	struct signkey k;

	signkey_from_seed((const unsigned char *)seed, &k);
	return k;
}

static void
manifest_verifies_only_with_its_key(void **state)
{
	struct signkey key = key_from("the key of the log that exported"),
		       other = key_from("a key of somebody else, as known");
	struct pubkey keys[] = { other.pub, key.pub };
	struct export_manifest m;
	struct buf line, changed;

	(void)state;
	buf_init(&line, 0);
	buf_init(&changed, 0);
	export_sign(&line, SPAN_LIT(OBJECT), &key);
	assert_int_equal(export_manifest_parse(buf_view(&line), &m, &why), 0);
	assert_true(span_is(m.object, OBJECT));
	assert_ptr_equal(export_signer(&m, keys, 2), &keys[1]);
	assert_null(export_signer(&m, keys, 1));
	/* Every character of the object and the name of the signer are signed. */
	buf_span(&changed, m.object);
	*(char *)(uintptr_t)memmem(buf_view(&changed).p, changed.n, "jsonl", 5) = 'J';
	struct export_manifest lie = m;
	lie.object = buf_view(&changed);
	assert_null(export_signer(&lie, keys, 2));
	lie = m;
	lie.key = span_str(other.pub.id);
	assert_null(export_signer(&lie, keys, 2));
	lie = m;
	lie.sig[63] ^= 1;
	assert_null(export_signer(&lie, keys, 2));
	/* Part of a line is not a manifest, and neither is the line of a commit. */
	for (size_t cut = 0; cut + 1 < line.n; cut++) {
		char *p = guard_dup(buf_view(&line).p, cut);
		assert_int_equal(export_manifest_parse(span_of(p, cut), &m, &why), ERR_SYNTAX);
		guard_free(p, cut);
	}
	char *word = memmem(buf_view(&line).p, line.n, "export", 6);
	memcpy(word, "commit", 6);
	assert_int_equal(export_manifest_parse(buf_view(&line), &m, &why), ERR_SYNTAX);
	buf_free(&line);
	buf_free(&changed);
}

static int
make_why(void **state)
{
	(void)state;
	buf_init(&why, 0);
	return 0;
}

static int
drop_why(void **state)
{
	(void)state;
	buf_free(&why);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(signed_object_is_valid_or_refused),
		cmocka_unit_test(signed_object_is_limited),
		cmocka_unit_test(manifest_verifies_only_with_its_key),
	};

	return cmocka_run_group_tests(tests, make_why, drop_why);
}
