/* Validators: pure functions of the text that confirm or refuse a candidate, the match of a
 * pattern. A pattern matches the longest shape; the validator may move the candidate's ends. A
 * rule file names a validator (`check: card`), and check_find() finds it. */
#ifndef SCAN_DETECT_VALIDATE_CHECK_H
#define SCAN_DETECT_VALIDATE_CHECK_H

#include "base/buf.h"
#include "base/span.h"
#include "scan/detect/validate/value_memo.h"

enum check_result {
	CHECK_NO,    /* not this entity */
	CHECK_SHAPE, /* the candidate has the shape, which cannot be confirmed */
	CHECK_VALID, /* a checksum or a full grammar confirms the candidate */
};

/* Results that one scan caches, so that bounded look-ahead takes linear time. */
struct check_memo {
	size_t pem_from, pem_end; /* from pem_from on, the next END line ends at pem_end */
	bool pem_known;
	struct value_memo values;
};

struct candidate {
	struct span text;
	size_t start, end; /* of the finding; the validator may move them */
	size_t match;	   /* offset at which the pattern's match begins */
	size_t rest;	   /* offset of the rest of the match, which has another finding; 0: none */
	float score;
	bool whole; /* the text consists of a key, '=' and the value */
	struct check_memo *memo;
};

struct check {
	const char *name;
	enum check_result (*run)(struct candidate *c); /* NULL: a row of `numbers` in check_id.c */
	const char *proof; /* description of the rule, for people; NULL: CHECK_DIGITS */
	/* Returns true if no further text makes a value of a candidate whose text has not ended. NULL:
	 * the validator decides only when the text has ended. */
	bool (*is_over)(const struct candidate *c);
};
#define CHECK_DIGITS "check digits, ranges or a date"

/* The validators of one file each. A row whose name is NULL ends a table. The rows of
 * `numbers` in check_id.c are not among these. */
extern const struct check checks_net[], checks_phone[], checks_finance[], checks_id[],
	checks_secret[], checks_seed[], checks_generic[];

/* Returns the validator with this name, or NULL. */
const struct check *check_find(struct span name);
/* Runs a validator on a candidate, whose ends, score and `rest` it may change. */
enum check_result check_run(const struct check *k, struct candidate *c);
/* Returns true if the validator has `is_over`. */
bool check_ends_early(const struct check *k);
/* Calls `is_over` of a validator that has it. */
bool check_is_over(const struct check *k, const struct candidate *c);
/* Appends all names, separated by commas, to an empty buffer, for messages. */
void check_names(struct buf *out);

/* ---- rows of `numbers` (check_id.c) ---- */

/* Returns the i-th row, or NULL after the last. Adjacent rows may share a name: the first row
 * with the candidate's number of digits decides. */
const struct check *check_digits_row(size_t i);
enum check_result check_digits(const struct check *row, const struct candidate *c);

/* ---- shared by the validators ---- */

/* Returns true if the decimal digits have a valid Luhn checksum (ISO/IEC 7812-1 annex B). */
bool luhn_valid(const char *digits, size_t n);
/* Returns the number of characters of an IBAN of the country with these two letters, in either
 * case, or 0 if the country has no IBAN. */
size_t iban_length(char a, char b);
/* Returns true if letters, in either case, and digits have a valid checksum of ISO 7064 mod
 * 97-10, as ISO 13616 uses it: A counts 10, and the first four characters are moved to the end. */
bool iban_valid(const char *v, size_t n);

/* Returns the Shannon entropy in bits per byte. */
float shannon_entropy(struct span s);
/* Returns true if one byte is repeated, as in a value that was made illegible: xxxxxxxxxx. */
bool token_is_placeholder(struct span s);
/* Returns true if the candidate is a group of a UUID. */
bool inside_uuid(const struct candidate *c);
/* Copies the digits of [start, end) to to[cap]. Returns their number, which may be more than
 * cap. */
size_t digits_of(const struct candidate *c, char *to, size_t cap);
/* Returns true if all digits are equal; no such number is issued. */
bool one_digit_repeated(const char *digits, size_t n);

/* Copies the candidate's letters, as capitals, and digits to v. Returns false unless these are
 * exactly n characters, not inside a UUID. */
bool sum_chars(const struct candidate *c, char *v, size_t n);
/* Returns the number that n digits, or two digits, represent. */
uint64_t sum_number(const char *d, size_t n);
unsigned sum_two(const char *d);
/* Sets *sum to the checksum of a bech32 text (BIP 173) whose human-readable part ends at the 1
 * at `one`. The correct checksum is 1, and 0x2bc830a3 for bech32m (BIP 350). Returns false if a
 * character is not in the alphabet. */
bool sum_bech32(struct span s, size_t one, uint32_t *sum);
/* Returns true if the text encodes n bytes, at most SUM_BASE58_MAX, in Base58Check (Bitcoin
 * wiki): the last four are the first four of the double SHA-256 of the others. */
enum { SUM_BASE58_MAX = 82 };
#define SUM_BASE58 "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
bool sum_base58check(struct span s, const char *alphabet, size_t n);

static inline enum check_result
valid_if(bool yes)
{
	return yes ? CHECK_VALID : CHECK_NO;
}

/* Bytes before a match in which check_curl() looks for "curl". No other validator reads more
 * than a word there. */
enum { CHECK_CURL_BACK = 512 };

#endif
