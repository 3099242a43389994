/* The tree, tested with the vectors of transparency-dev/merkle (tests/data/merkle.txt: valid
 * and invalid proofs), with RFC 6962's definition, and with every proof of every small tree in
 * both directions. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "record/proof/merkle.h"
#include "support/merkle_inclusion.h"

#define SMALL 300

static void
check_hex(const struct merkle_hash *got, const char *want)
{
	char hex[2 * MERKLE_BYTES + 1];

	sodium_bin2hex(hex, sizeof(hex), got->b, MERKLE_BYTES);
	assert_memory_equal(hex, want, strlen(want));
}

/* SHA-256(0x00 ‖ text): the leaves of the vectors are texts, ours are hashes. */
static struct merkle_hash
leaf_of(const char *text)
{
	struct merkle_hash h;
	struct sha256 s;

	sha256_begin(&s);
	sha256_add(&s, (struct span){ "\0", 1 });
	sha256_add(&s, span_str(text));
	sha256_end(&s, h.b);
	return h;
}

static void
hashes_equal_those_of_rfc_6962(void **state)
{
	struct merkle_range none = { 0 };
	struct merkle_hash h, left = { "N123" }, right = { "N456" };
	struct sha256 s;
	unsigned char record[MERKLE_BYTES];

	(void)state;
	merkle_root(&none, &h);
	check_hex(&h, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	h = leaf_of("");
	check_hex(&h, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
	h = leaf_of("L123456");
	check_hex(&h, "395aa064");
	/* The published node has four bytes on each side. */
	sha256_begin(&s);
	sha256_add(&s, (struct span){ "\1N123N456", 9 });
	sha256_end(&s, h.b);
	check_hex(&h, "aa217fe8");
	/* Our nodes have 32. */
	unsigned char text[1 + 2 * MERKLE_BYTES] = { 1 };
	struct merkle_hash want;
	memcpy(text + 1, left.b, MERKLE_BYTES);
	memcpy(text + 1 + MERKLE_BYTES, right.b, MERKLE_BYTES);
	sha256((struct span){ (const char *)text, sizeof(text) }, want.b);
	merkle_node(&left, &right, &h);
	assert_memory_equal(h.b, want.b, MERKLE_BYTES);
	memset(record, 'r', sizeof(record));
	unsigned char one[1 + MERKLE_BYTES] = { 0 };
	memcpy(one + 1, record, MERKLE_BYTES);
	sha256((struct span){ (const char *)one, sizeof(one) }, want.b);
	merkle_leaf(record, &h);
	assert_memory_equal(h.b, want.b, MERKLE_BYTES);
}

/* ---- the vectors ---- */

/* Some hashes of the vectors do not have 32 bytes; they are filled with zeros, because our
 * hashes have one length. */
static struct merkle_hash
hash_read(const char *word)
{
	struct merkle_hash h = { { 0 } };

	assert_true(!strcmp(word, "-") || sodium_hex2bin(h.b, MERKLE_BYTES, word, strlen(word),
						  NULL, NULL, NULL) == 0);
	return h;
}

static void
published_proofs_verify_or_fail_as_stated(void **state)
{
	FILE *f = fopen("tests/data/merkle.txt", "r");
	char line[8192], *save;
	unsigned rows[2] = { 0 }, hold[2] = { 0 };

	(void)state;
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		struct merkle_hash proof[MERKLE_PROOF_MAX], a, b;
		size_t n = 0;
		if (line[0] == '#')
			continue;
		const char *kind = strtok_r(line, " \n", &save),
			   *name = strtok_r(NULL, " \n", &save);
		bool consistency = !strcmp(kind, "consistency");
		bool want = !strcmp(strtok_r(NULL, " \n", &save), "yes");
		uint64_t index = strtoull(strtok_r(NULL, " \n", &save), NULL, 10),
			 size = strtoull(strtok_r(NULL, " \n", &save), NULL, 10);
		const char *first = strtok_r(NULL, " \n", &save),
			   *second = strtok_r(NULL, " \n", &save);
		a = hash_read(first);
		b = hash_read(second);
		/* Neither a leaf nor a root: there is no equivalent here. */
		if (!strcmp(first, "-") && !strcmp(second, "-")) {
			rows[consistency]++;
			continue;
		}
		for (char *word; (word = strtok_r(NULL, " \n", &save));)
			proof[n++] = hash_read(word);
		/* Their code refuses an old size of 0; ours accepts it with an empty proof. */
		bool zero = consistency && index == 0 && n == 0;
		bool got = consistency ? merkle_consistent(index, &a, size, &b, proof, n)
				       : merkle_included(&b, index, size, proof, n, &a);
		if (got != (want || zero))
			fail_msg("%s %s: %d", kind, name, got);
		rows[consistency]++;
		hold[consistency] += want;
	}
	fclose(f);
	assert_int_equal(rows[0], 98);
	assert_int_equal(rows[1], 98);
	assert_true(hold[0] > 4 && hold[1] > 4);
}

/* ---- the definition ---- */

static struct merkle_hash leaves[SMALL];

/* MTH(D[lo:hi]) of RFC 6962 2.1, literally. */
static struct merkle_hash
mth(uint64_t lo, uint64_t hi)
{
	struct merkle_hash l, r, out;
	uint64_t k = 1;

	if (hi - lo == 1)
		return leaves[lo];
	while (2 * k < hi - lo)
		k *= 2;
	l = mth(lo, lo + k);
	r = mth(lo + k, hi);
	merkle_node(&l, &r, &out);
	return out;
}

static int
small_hash(void *arg, unsigned level, uint64_t index, struct merkle_hash *out)
{
	uint64_t *size = arg, lo = index << level, hi = (index + 1) << level;

	if (level > 9 || hi > *size)
		return ERR_NOTFOUND;
	*out = mth(lo, hi);
	return 0;
}

static void
small_trees_have_exactly_their_proofs(void **state)
{
	struct merkle_range r = { 0 }, at;
	struct merkle_hash roots[SMALL + 1], proof[MERKLE_PROOF_MAX], nodes[MERKLE_LEVELS];
	size_t n;

	(void)state;
	for (uint64_t i = 0; i < SMALL; i++) {
		unsigned char record[MERKLE_BYTES];
		sha256((struct span){ (const char *)&i, sizeof(i) }, record);
		merkle_leaf(record, &leaves[i]);
		merkle_root(&r, &roots[i]);
		unsigned made = merkle_append_nodes(&r, &leaves[i], nodes);
		assert_int_equal(made, 1 + (unsigned)__builtin_ctzll(i + 1));
		for (unsigned level = 0; level < made; level++) {
			struct merkle_hash want = mth(i + 1 - (UINT64_C(1) << level), i + 1);
			assert_memory_equal(&nodes[level], &want, sizeof(want));
		}
	}
	merkle_root(&r, &roots[SMALL]);
	/* The only leaf of a tree is its root: no proof makes it a part of a larger tree. */
	assert_false(merkle_included(&leaves[1], 0, 1, &leaves[0], 1, &roots[2]));
	for (uint64_t size = 1; size <= SMALL; size += size < 40 ? 1 : 37) {
		struct merkle_source s = { small_hash, &size };
		struct merkle_hash want = mth(0, size), got;
		assert_memory_equal(&roots[size], &want, sizeof(want));
		assert_int_equal(merkle_range_at(&s, size, &at), 0);
		assert_int_equal(at.n, size);
		merkle_root(&at, &got);
		assert_memory_equal(&got, &want, sizeof(want));
		for (uint64_t i = 0; i < size; i++) {
			assert_int_equal(merkle_inclusion(&s, i, size, proof, &n), 0);
			assert_true(merkle_included(&leaves[i], i, size, proof, n, &want));
			assert_false(merkle_included(
				&leaves[(i + 1) % SMALL], i, size, proof, n, &want));
			assert_false(merkle_included(&leaves[i], i ^ 1, size, proof, n, &want));
			assert_false(
				n && merkle_included(&leaves[i], i, size, proof, n - 1, &want));
			assert_int_equal(merkle_consistency(&s, i, size, proof, &n), 0);
			assert_true(merkle_consistent(i, &roots[i], size, &want, proof, n));
			if (i == 0)
				continue;
			assert_false(
				merkle_consistent(i, &roots[i - 1], size, &want, proof, n));
			assert_false(
				merkle_consistent(i, &roots[i], size, &roots[i], proof, n));
			proof[n - 1].b[7] ^= 1;
			assert_false(merkle_consistent(i, &roots[i], size, &want, proof, n));
		}
		assert_int_equal(merkle_inclusion(&s, size, size, proof, &n), ERR_LIMIT);
		assert_int_equal(merkle_consistency(&s, size + 1, size, proof, &n), ERR_LIMIT);
		assert_int_equal(merkle_consistency(&s, size, size, proof, &n), 0);
		assert_int_equal(n, 0);
	}
}

/* The same proof, made while the leaves pass, with any number of them known before. */
static void
path_of_passing_leaves_equals_the_proof(void **state)
{
	static struct path p;
	struct merkle_hash proof[MERKLE_PROOF_MAX], got[MERKLE_LEVELS];
	size_t n;
	bool whole;

	(void)state;
	for (uint64_t size = 1; size <= 70; size += size < 20 ? 1 : 7)
		for (uint64_t i = 0; i < size; i++)
			for (uint64_t have = 0; have <= size + 1; have += have < 9 ? 1 : 5) {
				struct merkle_source s = { small_hash, &size };
				assert_int_equal(merkle_inclusion(&s, i, size, proof, &n), 0);
				assert_int_equal(path_begin(&p, i, size), 0);
				assert_int_equal(path_take(&p, &s, have), 0);
				while (p.next < size) {
					assert_int_equal(path_proof(&p, got, &whole), 0);
					assert_false(whole);
					path_leaf(&p, &leaves[p.next]);
				}
				path_leaf(&p, &leaves[0]); /* beyond the size: ignored */
				assert_int_equal(path_proof(&p, got, &whole), n);
				assert_true(whole);
				assert_memory_equal(got, proof, n * sizeof(*proof));
			}
	assert_int_equal(path_begin(&p, 5, 5), ERR_LIMIT);
	assert_int_equal(path_begin(&p, 0, 0), ERR_LIMIT);
	assert_int_equal(path_begin(&p, 1, UINT64_MAX), ERR_LIMIT);
	assert_int_equal(path_begin(&p, INT64_MAX - 1, INT64_MAX), 0);
}

/* A hash that the source does not know ends the proof; no size causes an overflow. */
static int
no_hash(void *arg, unsigned level, uint64_t index, struct merkle_hash *out)
{
	unsigned *calls = arg;

	memset(out, (int)level, sizeof(*out));
	(*calls)++;
	return index == 3 ? ERR_NOTFOUND : 0;
}

static void
missing_hash_ends_the_proof(void **state)
{
	unsigned calls = 0;
	struct merkle_source s = { no_hash, &calls };
	struct merkle_hash proof[MERKLE_PROOF_MAX];
	size_t n;

	(void)state;
	assert_int_equal(merkle_inclusion(&s, 2, 8, proof, &n), ERR_NOTFOUND);
	assert_int_equal(merkle_inclusion(&s, UINT64_MAX - 1, UINT64_MAX, proof, &n), 0);
	assert_in_range(n, 63, MERKLE_PROOF_MAX);
	assert_int_equal(merkle_inclusion(&s, 0, UINT64_MAX, proof, &n), 0);
	assert_int_equal(n, 64);
	assert_int_equal(merkle_consistency(&s, UINT64_MAX - 1, UINT64_MAX, proof, &n), 0);
	assert_in_range(n, 63, MERKLE_PROOF_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hashes_equal_those_of_rfc_6962),
		cmocka_unit_test(published_proofs_verify_or_fail_as_stated),
		cmocka_unit_test(small_trees_have_exactly_their_proofs),
		cmocka_unit_test(path_of_passing_leaves_equals_the_proof),
		cmocka_unit_test(missing_hash_ends_the_proof),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
