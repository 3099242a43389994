/* Anchor records are checked while their chain is verified. If one has another checkpoint,
 * another note or another key, its record is named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/codec/base64.h"
#include "cmd/records/audit_anchors.h"
#include "record/anchors/place.h"
#include "support/chain_build.h"
#include "support/temp_dir.h"

static struct chain_build b;
static struct anchor_keys keys;
static struct signkey witness;
static struct buf note, answer;
static uint64_t size; /* size of the checkpoint */

/* A chain with a checkpoint in its second commit, whose note is `note`. */
static int
setup(void **s)
{
	unsigned char seed[32] = { 3 };

	if (temp_dir_make(s))
		return -1;
	signkey_from_seed(seed, &witness);
	keys = (struct anchor_keys){ .nwitness = 0 };
	buf_init(&note, 0);
	buf_init(&answer, 0);
	chain_build_init(&b, "gw-1");
	chain_build_boot(&b);
	chain_build_note(&b, &note);
	size = b.chain.seq;
	chain_build_checkpoint(&b);
	chain_build_record(&b, "\"type\":\"decision\",\"id\":\"x\"");
	chain_build_commit(&b);
	return 0;
}

static int
teardown(void **s)
{
	chain_build_free(&b);
	buf_free(&note);
	buf_free(&answer);
	return temp_dir_remove(s);
}

/* Adds an anchor of that checkpoint in a commit of its own. `root` NULL: the checkpoint's
 * root. */
static void
add(const char *kind, uint64_t of, const char *root, const char *result)
{
	struct checkpoint c;
	const char *why;
	struct buf f;

	assert_int_equal(checkpoint_parse(buf_view(&note), &c, &why), 0);
	buf_init(&f, 0);
	buf_printf(&f,
		"\"type\":\"anchor\",\"kind\":\"%s\",\"place\":\"x\",\"result\":\"%s\","
		"\"origin\":\"tollgate/gw-1\",\"size\":%llu,\"root\":\"",
		kind, result, (unsigned long long)of);
	if (root)
		buf_str(&f, root);
	else
		buf_hex(&f, c.root.b, sizeof(c.root.b));
	buf_str(&f, "\",\"answer\":");
	buf_json_str(&f, buf_view(&answer));
	buf_str(&f, ",\"duration_us\":1");
	buf_putc(&f, '\0');
	chain_build_record(&b, buf_view(&f).p);
	chain_build_commit(&b);
	buf_free(&f);
}

static void
on_record(void *c, const struct chain_line *l, struct span line)
{
	anchors_check_record(c, l, line);
}

static void
on_each(void *c, uint64_t seq, const unsigned char hash[CHAIN_HASH_BYTES])
{
	(void)hash;
	anchors_check_each(c, seq);
}

/* `want` NULL: the chain is valid, with these numbers of anchors seen and verified. */
static void
verify(const char *want, uint64_t seen, uint64_t verified)
{
	static struct anchors_check c;
	struct verify_options o = {
		.keys = &b.key.pub, .nkeys = 1, .record = on_record, .each = on_each, .arg = &c
	};
	struct verifier *v = verifier_new(&o);
	struct verify_result r;

	c = (struct anchors_check){ .keys = &keys, .verifier = v };
	for (struct span rest = buf_view(&b.out); rest.n;)
		verifier_line(v, span_next(&rest, '\n'));
	verifier_end(v, &r);
	verifier_free(&v);
	if (!want && !r.ok)
		fail_msg("%s", r.why);
	if (want && (r.ok || !strstr(r.why, want) || r.bad_seq != b.chain.seq))
		fail_msg("not \"%s\" at %llu: %s at %llu", want,
			(unsigned long long)b.chain.seq, r.ok ? "sound" : r.why,
			(unsigned long long)r.bad_seq);
	assert_int_equal(c.seen, seen);
	assert_int_equal(c.verified, verified);
}

/* Writes a cosignature over the checkpoint's text into `answer`. */
static void
cosign(const struct signkey *key)
{
	struct checkpoint c;
	const char *why;

	assert_int_equal(checkpoint_parse(buf_view(&note), &c, &why), 0);
	buf_clear(&answer);
	note_cosign(&answer, c.text, SPAN_LIT("w"), 1800000000, key);
	answer.n--; /* a line without its end */
}

static void
anchors_match_checkpoints_without_keys(void **s)
{
	(void)s;
	add("file", size, NULL, "taken");
	add("url", size, NULL, "taken");
	cosign(&witness);
	add("witness", size, NULL, "taken");
	verify(NULL, 3, 0);
}

static void
anchor_with_another_root_is_named(void **s)
{
	(void)s;
	add("file", size, "0000000000000000000000000000000000000000000000000000000000000000",
		"taken");
	verify("anchor: the record has another root than the chain's checkpoint", 1, 0);
}

static void
invalid_anchor_is_named(void **s)
{
	(void)s;
	add("file", size, "00", "taken");
	verify("anchor: the record cannot be read", 1, 0);
}

static void
refusal_is_no_anchor(void **s)
{
	(void)s;
	add("file", size, "00", "refused");
	verify(NULL, 0, 0);
}

static void
anchor_of_a_missing_checkpoint_is_ignored(void **s)
{
	(void)s;
	cosign(&witness);
	add("witness", size + 100, NULL, "taken");
	verify(NULL, 1, 0);
}

static void
cosignature_by_a_given_key_is_verified(void **s)
{
	(void)s;
	keys.witness[0] = witness.pub;
	keys.nwitness = 1;
	cosign(&witness);
	add("witness", size, NULL, "taken");
	cosign(&b.key); /* by an unknown key, which is ignored */
	add("witness", size, NULL, "taken");
	verify(NULL, 2, 1);
}

static void
invalid_cosignature_is_named(void **s)
{
	unsigned char raw[200];
	size_t n;

	(void)s;
	keys.witness[0] = witness.pub;
	keys.nwitness = 1;
	cosign(&witness);
	struct span line = buf_view(&answer);
	span_next(&line, ' ');
	span_next(&line, ' ');
	assert_int_equal(base64_get(line, raw, sizeof(raw), &n), 0);
	raw[n - 1] ^= 1;
	buf_clear(&answer);
	buf_str(&answer, "\xe2\x80\x94 w ");
	base64_put(&answer, raw, n);
	add("witness", size, NULL, "taken");
	verify("anchor: the cosignature does not verify", 1, 0);
}

static void
response_without_a_cosignature_is_named(void **s)
{
	(void)s;
	buf_str(&answer, "yes");
	add("witness", size, NULL, "taken");
	verify("anchor: the response is no cosignature", 1, 0);
}

/* ---- timestamps ---- */

static void
run(const char *command)
{
	char cmd[2048];

	snprintf(cmd, sizeof(cmd), "cd %s && (%s) 2>/dev/null", dir, command);
	if (system(cmd) != 0)
		fail_msg("%s", cmd);
}

/* Writes a timestamp token over `text` into `answer`. */
static void
stamp(struct span text)
{
	struct buf tsr;

	put("tsa.cnf", "[req]\nprompt=no\ndistinguished_name=dn\n[dn]\nCN=a TSA\n"
		       "[tsa_ext]\nextendedKeyUsage=critical,timeStamping\n"
		       "[tsa1]\nserial=./serial\nsigner_cert=./tsa.crt\nsigner_key=./tsa.key\n"
		       "signer_digest=sha256\ndefault_policy=1.2.3.4.1\ndigests=sha256\n"
		       "ess_cert_id_alg=sha256\n");
	put_span("note", text);
	run("test -e tsa.crt || { echo 01 >serial && openssl req -x509 -newkey ec -pkeyopt "
	    "ec_paramgen_curve:P-256 -nodes -keyout tsa.key -out tsa.crt -days 2 -config "
	    "tsa.cnf "
	    "-extensions tsa_ext; }");
	run("openssl ts -query -data note -sha256 -cert -out q.tsq && openssl ts -reply "
	    "-config "
	    "tsa.cnf -section tsa1 -queryfile q.tsq -out r.tsr");
	buf_init(&tsr, 0);
	assert_true(buf_file(&tsr, path("r.tsr")));
	buf_clear(&answer);
	base64_put(&answer, buf_view(&tsr).p, tsr.n);
	buf_free(&tsr);
}

static void
timestamp_over_the_note_is_verified(void **s)
{
	(void)s;
	stamp(buf_view(&note));
	add("tsa", size, NULL, "taken");
	verify(NULL, 1, 0);
	keys.tsa_ca = path("tsa.crt");
	verify(NULL, 1, 1);
	run("cp tsa.crt old.crt && openssl req -x509 -newkey ec -pkeyopt "
	    "ec_paramgen_curve:P-256 "
	    "-nodes -keyout tsa.key -out tsa.crt -days 2 -config tsa.cnf -extensions tsa_ext");
	verify("anchor: the time stamp", 1, 0);
}

static void
timestamp_over_other_data_is_named(void **s)
{
	(void)s;
	stamp(SPAN_LIT("another note"));
	add("tsa", size, NULL, "taken");
	verify("anchor: the time stamp is not for the checkpoint's note", 1, 0);
}

static void
invalid_timestamp_is_named(void **s)
{
	(void)s;
	buf_str(&answer, "AAAA");
	add("tsa", size, NULL, "taken");
	verify("anchor: the time stamp", 1, 0);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(anchors_match_checkpoints_without_keys),
		T(anchor_with_another_root_is_named),
		T(invalid_anchor_is_named),
		T(refusal_is_no_anchor),
		T(anchor_of_a_missing_checkpoint_is_ignored),
		T(cosignature_by_a_given_key_is_verified),
		T(invalid_cosignature_is_named),
		T(response_without_a_cosignature_is_named),
		T(timestamp_over_the_note_is_verified),
		T(timestamp_over_other_data_is_named),
		T(invalid_timestamp_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
