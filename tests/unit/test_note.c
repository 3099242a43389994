/* Signed notes and checkpoints compared with those of others: golang.org/x/mod sumdb/note
 * (PeterNeumann, EnochRoot), the examples of C2SP signed-note, tlog-checkpoint and
 * tlog-cosignature, and transparency-dev/formats. Also: a record's bundle. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/codec/base64.h"
#include "base/err.h"
#include "record/proof/bundle.h"
#include "support/guard.h"
#include "support/note_vkey.h"

#define PETER "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
#define ENOCH "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
#define PETER_TEXT                                                                             \
	"If you think cryptography is the answer to your problem,\n"                           \
	"then you don't know what your problem is.\n"
#define PETER_SIG                                                                              \
	"\xe2\x80\x94 PeterNeumann "                                                           \
	"x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6R"  \
	"yyBwJnAM=\n"
#define ENOCH_SIG                                                                              \
	"\xe2\x80\x94 EnochRoot "                                                              \
	"rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd"  \
	"1RvMc+QQ=\n"
#define SOFA                                                                                   \
	"example.com/behind-the-sofa\n"                                                        \
	"20852163\n"                                                                           \
	"CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
#define SOFA_SIG                                                                               \
	"\xe2\x80\x94 example.com/behind-the-sofa "                                            \
	"Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xe"  \
	"McTOAYQ8=\n"
#define W1_SIG                                                                                 \
	"\xe2\x80\x94 witness.example.com/w1 "                                                 \
	"jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/"                                                 \
	"zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n"
/* Over SOFA, by PeterNeumann's key, made with `openssl pkeyutl -sign -rawin`. */
#define SOFA_PETER                                                                             \
	"\xe2\x80\x94 PeterNeumann "                                                           \
	"x08go5/3L9NHv4CxP0XTzEcSuWnwY/BYfHU7NnQPhQyrEuH+AqeHvF+HXNvu8ujR9RQHE17Tcer4sDE9uIi"  \
	"/Yx6ihwc=\n"
#define SOFA_PETER_COSIGNS                                                                     \
	"\xe2\x80\x94 PeterNeumann "                                                           \
	"GLl4CwAAAABkGFDLJeR//pqzhnEKVvEm2wWbh2RJ6oru5+cUUfm5X9NnlaGr8aSH9QE5RVZD4QGlxl2F5Up"  \
	"VIIi94p178KLfqPPsAA==\n"

static struct pubkey
key_of(const char *vkey)
{
	enum note_type type;
	struct span name;
	struct pubkey k;

	assert_int_equal(note_vkey_parse(span_str(vkey), &type, &name, &k), 0);
	return k;
}

static struct signkey
peter(void)
{
	unsigned char typed[33];
	struct signkey k;
	size_t n;

	assert_int_equal(base64_get(SPAN_LIT("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"),
				 typed, sizeof(typed), &n),
		0);
	assert_int_equal(n, sizeof(typed));
	signkey_from_seed(typed + 1, &k);
	return k;
}

static void
assert_text(const struct buf *got, const char *want)
{
	struct span s = buf_view(got);

	if (!span_is(s, want))
		fail_msg("got:\n%.*s\nwant:\n%s", SPAN_ARG(s), want);
}

static void
verifier_key_is_read_and_written(void **state)
{
	static const struct {
		const char *vkey;
		enum note_type type;
	} rows[] = {
		{ PETER, NOTE_ED25519 },
		{ ENOCH, NOTE_ED25519 },
		{ "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
			NOTE_ED25519 },
		{ "TEST+7997405c+AQcC+FTVKf0jlTdHDY3rbevmnKxxPjigCXlVtGe6RIr6", NOTE_ED25519 },
		{ "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2",
			NOTE_COSIGNATURE },
		{ "PeterNeumann+18b9780b+BBpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
			NOTE_COSIGNATURE },
	};
	(void)state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		enum note_type type;
		struct span name;
		struct pubkey k;
		struct buf out;

		assert_int_equal(note_vkey_parse(span_str(rows[i].vkey), &type, &name, &k), 0);
		assert_int_equal(type, rows[i].type);
		buf_init(&out, 0);
		note_vkey(&out, type, name, &k);
		assert_text(&out, rows[i].vkey);
		buf_free(&out);
	}
}

/* As in sumdb's TestNewVerifier: each part alone missing, each byte incremented. */
static void
damaged_verifier_key_is_refused(void **state)
{
	static const char *bad[] = {
		"PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
		"PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
		"bananas.sigstore.dev+12344556",
		"rekor.sigstore.dev+12345678+THIS_IS_NOT_BASE64!",
		"rekor.sigstore.dev+12345678+AwEB",
	};
	char vkey[] = PETER;
	size_t n = strlen(vkey);
	enum note_type type;
	struct span name;
	struct pubkey k;
	(void)state;

	for (size_t i = 0; i <= n; i++)
		for (size_t j = i; j <= n; j++)
			if (i != 0 || j != n)
				assert_int_equal(note_vkey_parse(span_of(vkey + i, j - i),
							 &type, &name, &k),
					ERR_SYNTAX);
	for (size_t i = 0; i < n; i++) {
		vkey[i]++;
		assert_int_equal(note_vkey_parse(span_str(vkey), &type, &name, &k), ERR_SYNTAX);
		vkey[i]--;
	}
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		assert_int_equal(
			note_vkey_parse(span_str(bad[i]), &type, &name, &k), ERR_SYNTAX);
}

static void
name_must_be_valid_by_signed_note(void **state)
{
	static const struct {
		const char *name;
		bool valid;
	} rows[] = {
		{ "tollgate/gw-1", true },
		{ "quasimodo.example/salvatore", true },
		{ "s\xc3\xa9ra", true },
		{ "", false },
		{ "a+b", false },
		{ "bad name", false },
		{ "a\tb", false },
		{ "a\xc2\xa0"
		  "b",
			false }, /* no-break space */
		{ "a\xe2\x80\x83"
		  "b",
			false }, /* em space */
		{ "a\xe3\x80\x80"
		  "b",
			false }, /* ideographic space */
		{ "a\xff", false },
	};
	(void)state;

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_int_equal(note_name_valid(span_str(rows[i].name)), rows[i].valid);
}

static void
signature_equals_that_of_other_programs(void **state)
{
	struct signkey k = peter();
	struct buf out;
	(void)state;

	buf_init(&out, 0);
	note_sign(&out, SPAN_LIT(PETER_TEXT), SPAN_LIT("PeterNeumann"), &k);
	assert_text(&out, PETER_SIG);
	buf_clear(&out);
	note_sign(&out, SPAN_LIT(SOFA), SPAN_LIT("PeterNeumann"), &k);
	assert_text(&out, SOFA_PETER);
	buf_clear(&out);
	note_cosign(&out, SPAN_LIT(SOFA), SPAN_LIT("PeterNeumann"), 1679315147, &k);
	assert_text(&out, SOFA_PETER_COSIGNS);
	buf_free(&out);
}

/* Notes that are not checkpoints: only their signatures are tested. */
static void
signatures_of_other_programs_verify(void **state)
{
	static const struct {
		const char *vkey, *text, *sig;
	} rows[] = {
		{ PETER, PETER_TEXT, PETER_SIG },
		{ ENOCH, PETER_TEXT, ENOCH_SIG },
		{ "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
			"This is an example message.\n",
			"\xe2\x80\x94 example.com/foo "
			"Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mF"
			"X"
			"mRKuwHjG1Yu72IneyaQM=\n" },
	};
	(void)state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct span text = span_str(rows[i].text), name = span_str(rows[i].vkey);
		struct pubkey k = key_of(rows[i].vkey);

		name = span_next(&name, '+');
		struct checkpoint c = { .text = text, .signatures = span_str(rows[i].sig) };
		assert_ptr_equal(checkpoint_signer(&c, name, &k, 1), &k);
		assert_null(checkpoint_signer(&c, SPAN_LIT("CarmenSandiego"), &k, 1));
		c.text.n--;
		assert_null(checkpoint_signer(&c, name, &k, 1));
	}
}

static void
one_of_several_keys_verifies(void **state)
{
	struct pubkey keys[] = { key_of(ENOCH), key_of(PETER) };
	struct checkpoint c = { .text = SPAN_LIT(PETER_TEXT),
		.signatures = SPAN_LIT(ENOCH_SIG PETER_SIG) };
	char broken[] = PETER_SIG ENOCH_SIG PETER_SIG;
	(void)state;

	assert_ptr_equal(checkpoint_signer(&c, SPAN_LIT("PeterNeumann"), keys, 2), &keys[1]);
	assert_ptr_equal(checkpoint_signer(&c, SPAN_LIT("EnochRoot"), keys, 2), &keys[0]);
	assert_null(checkpoint_signer(&c, SPAN_LIT("EnochRoot"), keys + 1, 1));
	/* A signature that claims to be by a known key must verify, also beside a valid one. */
	broken[strlen(broken) - 20] ^= 1;
	c.signatures = span_str(broken);
	assert_null(checkpoint_signer(&c, SPAN_LIT("PeterNeumann"), keys, 2));
	assert_ptr_equal(checkpoint_signer(&c, SPAN_LIT("EnochRoot"), keys, 2), &keys[0]);
}

/* Writes the value of a signature line as another line: with this name, and `more` bytes after
 * it. */
static void
put_line(struct buf *out, const char *name, const char *line, size_t more)
{
	unsigned char value[4 + 8 + SIGNKEY_SIG_BYTES + 1] = { 0 };
	struct span rest = span_str(line);
	size_t n;

	span_next(&rest, ' ');
	span_next(&rest, ' ');
	assert_int_equal(base64_get(span_next(&rest, '\n'), value, sizeof(value), &n), 0);
	buf_printf(out, "\xe2\x80\x94 %s ", name);
	base64_put(out, value, n + more);
	buf_putc(out, '\n');
}

static void
signature_depends_on_its_name_and_length(void **state)
{
	struct pubkey k = key_of(PETER);
	struct span name = SPAN_LIT("PeterNeumann");
	struct buf lines;
	(void)state;

	buf_init(&lines, 0);
	put_line(&lines, "PeterNeumann", SOFA_PETER, 0);
	struct checkpoint c = { .text = SPAN_LIT(SOFA), .signatures = buf_view(&lines) };
	assert_ptr_equal(checkpoint_signer(&c, name, &k, 1), &k);
	buf_clear(&lines);
	put_line(&lines, "PeterNeuman", SOFA_PETER, 0);
	c.signatures = buf_view(&lines);
	assert_null(checkpoint_signer(&c, name, &k, 1));
	buf_clear(&lines);
	put_line(&lines, "PeterNeumann", SOFA_PETER, 1);
	c.signatures = buf_view(&lines);
	assert_null(checkpoint_signer(&c, name, &k, 1));
	buf_clear(&lines);
	put_line(&lines, "PeterNeumann", SOFA_PETER_COSIGNS, 0);
	c.signatures = buf_view(&lines);
	assert_int_equal(checkpoint_cosigned(&c, name, &k), 1679315147);
	buf_clear(&lines);
	put_line(&lines, "PeterNeumann", SOFA_PETER_COSIGNS, 1);
	c.signatures = buf_view(&lines);
	assert_int_equal(checkpoint_cosigned(&c, name, &k), 0);
	buf_free(&lines);
}

/* Every line that claims to be the witness's must verify, also beside a valid one, and must
 * have a time. */
static void
all_lines_of_a_witness_must_verify(void **state)
{
	struct signkey k = peter();
	struct span name = SPAN_LIT("PeterNeumann");
	char broken[] = SOFA_PETER_COSIGNS SOFA_PETER_COSIGNS;
	struct checkpoint c = { .text = SPAN_LIT(SOFA), .signatures = span_str(broken) };
	struct buf line;
	(void)state;

	assert_int_equal(checkpoint_cosigned(&c, name, &k.pub), 1679315147);
	broken[60] = broken[60] == 'A' ? 'B' : 'A';
	assert_int_equal(checkpoint_cosigned(&c, name, &k.pub), 0);
	buf_init(&line, 0);
	for (uint64_t late = 0; late < 2; late++) {
		buf_clear(&line);
		note_cosign(&line, c.text, name, (uint64_t)INT64_MAX + late, &k);
		c.signatures = buf_view(&line);
		assert_int_equal(
			checkpoint_cosigned(&c, name, &k.pub), late ? 0 : (uint64_t)INT64_MAX);
	}
	buf_free(&line);
}

static void
checkpoint_is_read(void **state)
{
	static const char root[] = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";
	struct note_signature s;
	struct checkpoint c;
	struct buf again;
	const char *why;
	(void)state;

	assert_int_equal(checkpoint_parse(SPAN_LIT(SOFA "\n" SOFA_SIG W1_SIG), &c, &why), 0);
	assert_true(span_is(c.origin, "example.com/behind-the-sofa"));
	assert_int_equal(c.size, 20852163);
	assert_true(span_is(c.text, SOFA));
	assert_true(span_is(c.signatures, SOFA_SIG W1_SIG));
	buf_init(&again, 0);
	base64_put(&again, c.root.b, sizeof(c.root.b));
	assert_text(&again, root);
	buf_clear(&again);
	checkpoint_text(&again, c.origin, c.size, &c.root);
	assert_text(&again, SOFA);
	buf_free(&again);
	struct span lines = c.signatures;
	assert_int_equal(note_signature_next(&lines, &s), 1);
	assert_true(span_is(s.name, "example.com/behind-the-sofa"));
	assert_int_equal(s.n, 64);
	assert_memory_equal(s.id, "\x03\x3d\xe0\xae", 4);
	assert_int_equal(note_signature_next(&lines, &s), 1);
	assert_true(span_is(s.name, "witness.example.com/w1"));
	assert_int_equal(s.n, 72);
	assert_memory_equal(s.value, "\0\0\0\0\x64\x18\x50\xcb", 8); /* 1679315147 */
	assert_int_equal(note_signature_next(&lines, &s), 0);
}

static void
cosignature_depends_on_time_name_and_text(void **state)
{
	struct pubkey keys[] = { key_of(PETER), key_of(ENOCH) };
	struct span name = SPAN_LIT("PeterNeumann");
	char changed[] = SOFA "\n" SOFA_PETER_COSIGNS;
	struct checkpoint c;
	const char *why;
	(void)state;

	assert_int_equal(
		checkpoint_parse(SPAN_LIT(SOFA "\n" SOFA_SIG SOFA_PETER_COSIGNS), &c, &why), 0);
	assert_int_equal(checkpoint_cosigned(&c, name, &keys[0]), 1679315147);
	assert_int_equal(checkpoint_cosigned(&c, name, &keys[1]), 0);
	assert_int_equal(checkpoint_cosigned(&c, SPAN_LIT("Peter"), &keys[0]), 0);
	/* A cosignature is no signature of a log, and the reverse. */
	assert_null(checkpoint_signer(&c, name, keys, 2));
	assert_int_equal(checkpoint_parse(SPAN_LIT(SOFA "\n" SOFA_PETER), &c, &why), 0);
	assert_int_equal(checkpoint_cosigned(&c, name, &keys[0]), 0);
	assert_ptr_equal(checkpoint_signer(&c, name, keys, 2), &keys[0]);
	changed[30]++; /* the size */
	assert_int_equal(checkpoint_parse(span_str(changed), &c, &why), 0);
	assert_int_equal(checkpoint_cosigned(&c, name, &keys[0]), 0);
}

static void
invalid_checkpoint_is_refused_with_its_line(void **state)
{
#define ROOT "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
	static const struct {
		const char *note, *why;
	} rows[] = {
		{ "", "the empty line" },
		{ SOFA, "the empty line" },
		{ SOFA "\n", "the note has no signature" },
		{ SOFA "\n" SOFA_SIG "x", "not a signature" },
		{ SOFA "\n" SOFA_SIG "Unexpected line.\n", "not a signature" },
		{ SOFA "\n\xe2\x80\x94 Bad Name x08go/ZJkuBS9UG/\n", "not a signature" },
		{ SOFA "\n\xe2\x80\x94 Name x08g\n", "not a signature" },
		{ SOFA "\n\xe2\x80\x94 Name x08go\n", "not a signature" },
		{ SOFA "\n- Name x08go/ZJ\n", "not a signature" },
		{ SOFA "ext\n\n\n" SOFA_SIG, "not a signature" },
		{ "\x01" SOFA "\n" SOFA_SIG, "character" },
		{ "\xff" SOFA "\n" SOFA_SIG, "character" },
		{ "\n" SOFA "\n" SOFA_SIG, "line 1" },
		{ SOFA "\n" SOFA_SIG SOFA "\n" SOFA_SIG, "several checkpoints" },
		{ "o\n\n" SOFA_SIG, "line 2" },
		{ "o\n-1\n" ROOT "\n" SOFA_SIG, "line 2" },
		{ "o\n01\n" ROOT "\n" SOFA_SIG, "line 2" },
		{ "o\n0xab\n" ROOT "\n" SOFA_SIG, "line 2" },
		{ "o\n 1\n" ROOT "\n" SOFA_SIG, "line 2" },
		{ "o\n9223372036854775808\n" ROOT "\n" SOFA_SIG, "line 2" },
		{ "o\n18446744073709551616\n" ROOT "\n" SOFA_SIG, "line 2" },
		{ "o\n1\n\n" SOFA_SIG, "line 3" },
		{ "o\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2\n\n" SOFA_SIG, "line 3" },
		{ "o\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2J=\n\n" SOFA_SIG, "line 3" },
		{ "o\n1\nTszzRgjTG6xce+z2AG31kAXYKBgQVtCSCE40HmuwBTOOBIG=\n\n" SOFA_SIG,
			"line 3" },
	};
#undef ROOT
	struct checkpoint c;
	const char *why;
	(void)state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		why = "";
		assert_int_equal(
			checkpoint_parse(span_str(rows[i].note), &c, &why), ERR_SYNTAX);
		if (!strstr(why, rows[i].why))
			fail_msg("row %zu says %s", i, why);
	}
}

static void
extension_lines_are_part_of_the_signed_text(void **state)
{
	struct checkpoint c;
	const char *why;
	(void)state;

	assert_int_equal(checkpoint_parse(SPAN_LIT(SOFA "more\n\n" SOFA_PETER), &c, &why), 0);
	assert_true(span_is(c.text, SOFA "more\n"));
	struct pubkey k = key_of(PETER);
	assert_null(checkpoint_signer(&c, SPAN_LIT("PeterNeumann"), &k, 1));
}

static void
number_of_signatures_is_limited(void **state)
{
	struct checkpoint c;
	const char *why;
	struct buf note;
	(void)state;

	buf_init(&note, 0);
	buf_str(&note, SOFA "\n");
	for (int i = 1; i <= NOTE_SIGNATURES + 1; i++) {
		buf_str(&note, SOFA_SIG);
		assert_int_equal(checkpoint_parse(buf_view(&note), &c, &why),
			i <= NOTE_SIGNATURES ? 0 : ERR_LIMIT);
	}
	while (note.n <= NOTE_MAX)
		buf_str(&note, SOFA_SIG);
	assert_int_equal(checkpoint_parse(buf_view(&note), &c, &why), ERR_LIMIT);
	/* A line as long as a post-quantum signature is skipped. */
	buf_clear(&note);
	buf_str(&note, SOFA "\n" SOFA_PETER "\xe2\x80\x94 w ");
	for (int i = 0; i < 1800; i++)
		buf_str(&note, "AAAA");
	buf_str(&note, "\n");
	struct pubkey k = key_of(PETER);
	assert_int_equal(checkpoint_parse(buf_view(&note), &c, &why), 0);
	assert_ptr_equal(checkpoint_signer(&c, SPAN_LIT("PeterNeumann"), &k, 1), &k);
	buf_free(&note);
}

static void
note_is_limited_to_64_kb(void **state)
{
	struct checkpoint c;
	const char *why;
	struct buf note;
	(void)state;

	for (size_t over = 0; over < 2; over++) {
		buf_init(&note, 0);
		buf_str(&note, SOFA);
		while (note.n + strlen("\n\n" SOFA_SIG) < NOTE_MAX + over)
			buf_putc(&note, 'x'); /* an extension line */
		buf_str(&note, "\n\n" SOFA_SIG);
		assert_int_equal(note.n, NOTE_MAX + over);
		assert_int_equal(
			checkpoint_parse(buf_view(&note), &c, &why), over ? ERR_LIMIT : 0);
		buf_free(&note);
	}
}

static void
cut_checkpoint_is_not_read_beyond_its_end(void **state)
{
	const char *text = SOFA "\n" SOFA_PETER;
	size_t n = strlen(text);
	struct checkpoint c;
	const char *why;
	(void)state;

	for (size_t cut = 0; cut <= n; cut++) {
		char *p = guard_dup(text, cut);
		assert_int_equal(
			checkpoint_parse(span_of(p, cut), &c, &why), cut == n ? 0 : ERR_SYNTAX);
		guard_free(p, cut);
	}
}

/* ---- bundles ---- */

#define RECORD "{\"v\":1,\"node\":\"gw-1\"}"
#define BUNDLE                                                                                 \
	"record eyJ2IjoxLCJub2RlIjoiZ3ctMSJ9\n"                                                \
	"c2sp.org/tlog-proof@v1\n"                                                             \
	"index 73894\n"                                                                        \
	"gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=\n"                                       \
	"B95lDa8R83lS8n0eG+o0buTxRKQTYFi//1U8anccXmA=\n"                                       \
	"\n" SOFA "\n" SOFA_SIG

static int
read_bundle(struct span file, struct bundle *b, struct buf *why)
{
	buf_clear(&b->record);
	buf_clear(why);
	return bundle_read(file, b, why);
}

static void
bundle_is_read_and_written(void **state)
{
	struct bundle b = { .index = 0 };
	struct buf out, why;
	(void)state;

	buf_init(&out, 0);
	buf_init(&why, 0);
	buf_init(&b.record, 0);
	assert_int_equal(read_bundle(SPAN_LIT(BUNDLE), &b, &why), 0);
	assert_text(&b.record, RECORD);
	assert_int_equal(b.index, 73894);
	assert_int_equal(b.nproof, 2);
	assert_memory_equal(b.proof[1].b, "\x07\xde\x65", 3);
	assert_true(span_is(b.note, SOFA "\n" SOFA_SIG));
	assert_int_equal(b.checkpoint.size, 20852163);
	bundle_write(&out, buf_view(&b.record), b.index, b.proof, b.nproof, b.note);
	assert_text(&out, BUNDLE);
	/* The first leaf of a tree with one leaf has no hashes. */
	buf_clear(&out);
	bundle_write(&out, SPAN_LIT("x"), 0, NULL, 0, SPAN_LIT(SOFA "\n" SOFA_SIG));
	assert_int_equal(read_bundle(buf_view(&out), &b, &why), 0);
	assert_int_equal(b.nproof, 0);
	/* The extra line of tlog-proof is not proven and ignored. */
	assert_int_equal(read_bundle(SPAN_LIT("record eA==\nc2sp.org/tlog-proof@v1\nextra "
					      "YWdl\nindex 0\n\n" SOFA "\n" SOFA_SIG),
				 &b, &why),
		0);
	buf_free(&b.record);
	buf_free(&out);
	buf_free(&why);
}

static void
error_in_a_bundle_is_named_by_its_line(void **state)
{
#define BEGIN "record eA==\nc2sp.org/tlog-proof@v1\n"
#define HASH  "gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=\n"
	static const struct {
		const char *file, *why;
	} rows[] = {
		{ "", "line 1" },
		{ "{\"v\":1}\n", "line 1: expected 'record" },
		{ "record \n", "line 1: the record is not base64" },
		{ "record eA=\n", "line 1: the record is not base64" },
		{ "record eA==!\n", "line 1: the record is not base64" },
		{ "record eA==\n", "line 2" },
		{ "record eA==\nc2sp.org/tlog-proof@v2\n", "line 2" },
		{ BEGIN "index\n", "line 3" },
		{ BEGIN "index 01\n", "line 3" },
		{ BEGIN "index -1\n", "line 3" },
		{ BEGIN "index 18446744073709551616\n", "line 3" },
		{ BEGIN "extra x\nextra x\n", "line 4" },
		{ BEGIN "index 1", "line 3" },
		{ BEGIN "index 1\n", "line 4: the empty line" },
		{ BEGIN "index 1\n" HASH, "line 5: the empty line" },
		{ BEGIN "index 1\n" HASH "gSKy\n\n" SOFA "\n" SOFA_SIG,
			"line 5: expected a hash" },
		{ BEGIN "index 1\n" HASH "\n", "checkpoint at line 6" },
		{ BEGIN "index 1\n\no\n\n" SOFA_SIG, "checkpoint at line 5: line 2" },
	};
	struct bundle b = { .index = 0 };
	struct buf why, long_one;
	(void)state;

	buf_init(&why, 0);
	buf_init(&b.record, 0);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_int_equal(read_bundle(span_str(rows[i].file), &b, &why), ERR_SYNTAX);
		if (!memmem(buf_view(&why).p, why.n, rows[i].why, strlen(rows[i].why)))
			fail_msg("row %zu says %.*s", i, SPAN_ARG(buf_view(&why)));
	}
	buf_init(&long_one, 0);
	buf_str(&long_one, BEGIN "index 1\n");
	for (int i = 0; i <= MERKLE_PROOF_MAX; i++)
		buf_str(&long_one, HASH);
	assert_int_equal(read_bundle(buf_view(&long_one), &b, &why), ERR_LIMIT);
	buf_free(&long_one);
	buf_free(&b.record);
	buf_free(&why);
#undef BEGIN
#undef HASH
}

/* The largest record of a journal, and a file that contains one. */
static void
bundle_has_room_for_the_largest_record(void **state)
{
	struct bundle b = { .index = 0 };
	const size_t most = CHAIN_LINE_MAX / 3 * 3;
	struct buf file, why;
	char *record = calloc(1, most + 3);
	(void)state;

	assert_non_null(record);
	buf_init(&why, 0);
	buf_init(&b.record, 0);
	for (size_t over = 0; over < 2; over++) {
		buf_init(&file, 0);
		bundle_write(&file, span_of(record, most + 3 * over), 0, NULL, 0,
			SPAN_LIT(SOFA "\n" SOFA_SIG));
		assert_int_equal(read_bundle(buf_view(&file), &b, &why), over ? ERR_LIMIT : 0);
		buf_free(&file);
	}
	for (size_t over = 0; over < 2; over++) {
		static const char end[] = "\nindex 0\n\n" SOFA "\n" SOFA_SIG;
		buf_init(&file, 0);
		buf_str(&file, "record eA==\nc2sp.org/tlog-proof@v1\nextra ");
		size_t fill = BUNDLE_MAX + over - file.n - strlen(end);
		char *to = buf_reserve(&file, fill);
		assert_non_null(to);
		memset(to, 'A', fill);
		buf_commit(&file, fill);
		buf_str(&file, end);
		assert_int_equal(file.n, BUNDLE_MAX + over);
		assert_int_equal(read_bundle(buf_view(&file), &b, &why), over ? ERR_LIMIT : 0);
		buf_free(&file);
	}
	buf_free(&b.record);
	buf_free(&why);
	free(record);
}

static void
cut_bundle_is_not_read_beyond_its_end(void **state)
{
	struct bundle b = { .index = 0 };
	struct buf why;
	(void)state;

	buf_init(&why, 0);
	buf_init(&b.record, 0);
	for (size_t cut = 0; cut <= strlen(BUNDLE); cut++) {
		char *p = guard_dup(BUNDLE, cut);
		assert_int_equal(read_bundle(span_of(p, cut), &b, &why),
			cut == strlen(BUNDLE) ? 0 : ERR_SYNTAX);
		guard_free(p, cut);
	}
	buf_free(&b.record);
	buf_free(&why);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(verifier_key_is_read_and_written),
		cmocka_unit_test(damaged_verifier_key_is_refused),
		cmocka_unit_test(name_must_be_valid_by_signed_note),
		cmocka_unit_test(signature_equals_that_of_other_programs),
		cmocka_unit_test(signatures_of_other_programs_verify),
		cmocka_unit_test(one_of_several_keys_verifies),
		cmocka_unit_test(signature_depends_on_its_name_and_length),
		cmocka_unit_test(all_lines_of_a_witness_must_verify),
		cmocka_unit_test(checkpoint_is_read),
		cmocka_unit_test(cosignature_depends_on_time_name_and_text),
		cmocka_unit_test(invalid_checkpoint_is_refused_with_its_line),
		cmocka_unit_test(extension_lines_are_part_of_the_signed_text),
		cmocka_unit_test(number_of_signatures_is_limited),
		cmocka_unit_test(note_is_limited_to_64_kb),
		cmocka_unit_test(cut_checkpoint_is_not_read_beyond_its_end),
		cmocka_unit_test(bundle_is_read_and_written),
		cmocka_unit_test(error_in_a_bundle_is_named_by_its_line),
		cmocka_unit_test(bundle_has_room_for_the_largest_record),
		cmocka_unit_test(cut_bundle_is_not_read_beyond_its_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
