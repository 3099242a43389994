/* Validators: pure functions of the text that confirm or refuse a candidate, the match of a
 * pattern. A pattern matches the longest shape; the validator may move the candidate's ends. A
 * rule file names a validator (`check: card`), and the table in check.c finds it. */
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
	enum check_result (*run)(struct candidate *c); /* NULL: a row of check_digits.c */
	const char *proof; /* description of the rule, for people; NULL: CHECK_DIGITS */
};
#define CHECK_DIGITS "check digits, ranges or a date"


/* Returns the validator with this name, or NULL. */
const struct check *check_find(struct span name);
/* Runs a validator on a candidate, whose ends, score and `rest` it may change. */
enum check_result check_run(const struct check *k, struct candidate *c);
/* Returns true if the validator knows, while a text goes on, that it refuses a candidate:
 * check_is_over(). */
bool check_ends_early(const struct check *k);
/* Returns true if no further text makes a value of the candidate, whose text has not ended. */
bool check_is_over(const struct check *k, const struct candidate *c);
/* Appends all names, separated by commas, for messages. */
void check_names(struct buf *out);

/* clang-format off */
/* X(name, function, what it proves: `tollgate detectors list --markdown`) */
#define CHECK_TABLE_SECRETS(X) \
	X("vendor",     check_vendor,     "its key names a secret") \
	X("k8s",        check_k8s,        "the data of a Kubernetes Secret") \
	X("ppk",        check_ppk,        "grammar to its MAC") \
	X("crc62",      check_crc62,      "CRC-32 in base 62") /* GitHub, npm */ \
	X("grafana",    check_grafana,    "CRC-32 in hex") \
	X("bech32_key", check_bech32_key, "bech32 (BIP 173)") /* age, Nostr */ \
	X("xprv",       check_xprv,       "Base58Check of 78 bytes (BIP 32)") \
	X("pypi",       check_pypi,       "a macaroon in base64") \
	X("json64",     check_json64,     "JSON in base64") \
	X("discord",    check_discord,    "a snowflake in base64") \
	X("aws_id",     check_aws_id,     "an account number in base32") \
	X("basic",      check_basic,      "user:password in base64 (RFC 7617)")

#define CHECK_TABLE(X) \
	X("card",     check_card,     "issuer range, length, Luhn (ISO/IEC 7812-1)") \
	X("ssn",      check_ssn,      "area, group and serial in use") \
	X("iban",     check_iban,     "country length, mod 97 (ISO 13616)") \
	X("phone",    check_phone,    "country plan and length") /* E.164, NANP, national shapes */ \
	X("ip",       check_ip,       "RFC 4291") /* RFC 5952; version numbers are refused */ \
	X("ip_special", check_ip_special, "RFC 6890, public resolvers") \
	X("email",    check_email,    "RFC 5321 grammar") /* 4.1.2; RFC 6531 */ \
	X("jwt",      check_jwt,      "its header is JSON with alg (RFC 7515)") \
	X("pem",      check_pem,      "a private key's body (RFC 7468)") /* with or without its END line */ \
	X("token",    check_token,    "looks random") /* refuses placeholders, and runs of one byte */ \
	X("generic",  check_generic,  "looks random, no stop word") /* key=value: drawn by chance, or of several classes of characters */ \
	X("alternative", check_alternative, "looks random, no stop word") /* the second of two alternative values of a key: 'A' | 'B' */ \
	X("chance",   check_chance,   "drawn by chance, no stop word") /* a value after the name of a secret, in any syntax */ \
	X("before",   check_before,   "drawn by chance, no stop word") /* a value before the name of a secret */ \
	X("password", check_password, "no stop word") /* key=value, chosen by a person */ \
	X("argument", check_argument, "no stop word") /* a value after the option or statement that takes it */ \
	X("bearer",   check_bearer,   "looks random") /* a credential in a header */ \
	X("userinfo", check_userinfo, "no stop word") /* scheme://user:password@host */ \
	X("curl",     check_curl,     "no stop word") /* curl -u user:password */ \
	CHECK_TABLE_SECRETS(X) \
	X("none",     check_none,     "") /* the pattern is sufficient */ \
	X("uk_nino",  check_uk_nino,  "prefixes in use") \
	X("uk_driving", check_uk_driving, "date") \
	X("uk_postcode", check_uk_postcode, "areas in use") \
	X("us_mbi",   check_us_mbi,   "grammar") \
	X("bic",      check_bic,      "ISO 3166 country") \
	X("named",    check_named,    "enough digits, no date") \
	X("mrn",      check_mrn,      "enough digits, no date") \
	X("id_text",  check_id_text,  "enough digits, no date") \
	X("plate",    check_plate,    "letters and digits") \
	X("mac",      check_mac,      "not all one digit") \
	X("date",     check_date,     "calendar") \
	X("base58",   check_base58,   "Base58Check") \
	X("bech32",   check_bech32,   "bech32 or bech32m") \
	X("ethereum", check_ethereum, "EIP-55") \
	CHECK_TABLE_NUMBERS(X)

/* Numbers with check digits, dates or grammars; the specification is at each function in
 * check_id.c and check_finance.c. Most are rows of check_digits.c. */
#define CHECK_TABLE_NUMBERS(X) \
	X("be_nrn", check_be_nrn, CHECK_DIGITS) X("fr_nir", check_fr_nir, CHECK_DIGITS) \
	X("fr_spi", check_fr_spi, CHECK_DIGITS) X("de_tax", check_de_tax, CHECK_DIGITS) \
	X("de_document", check_de_document, CHECK_DIGITS) X("de_rvnr", check_de_rvnr, CHECK_DIGITS) \
	X("es_nif", check_es_nif, CHECK_DIGITS) X("es_nss", check_es_nss, CHECK_DIGITS) \
	X("it_fiscal", check_it_fiscal, CHECK_DIGITS) X("ie_ppsn", check_ie_ppsn, CHECK_DIGITS) \
	X("lu_nin", check_lu_nin, CHECK_DIGITS) X("fi_hetu", check_fi_hetu, CHECK_DIGITS) \
	X("cz_rodne_cislo", check_cz_rodne_cislo, CHECK_DIGITS) X("lv_pk", check_lv_pk, CHECK_DIGITS) \
	X("ru_snils", check_ru_snils, CHECK_DIGITS) X("uk_utr", check_uk_utr, CHECK_DIGITS) \
	X("vin", check_vin, CHECK_DIGITS) X("mx_curp", check_mx_curp, CHECK_DIGITS) \
	X("mx_rfc", check_mx_rfc, CHECK_DIGITS) X("mx_rfc_strict", check_mx_rfc_strict, CHECK_DIGITS) \
	X("in_gstin", check_in_gstin, CHECK_DIGITS) X("cn_id", check_cn_id, CHECK_DIGITS) \
	X("tw_id", check_tw_id, CHECK_DIGITS) X("hk_id", check_hk_id, CHECK_DIGITS) \
	X("sg_nric", check_sg_nric, CHECK_DIGITS) X("au_abn", check_au_abn, CHECK_DIGITS) \
	X("us_npi", check_us_npi, CHECK_DIGITS) X("us_dea", check_us_dea, CHECK_DIGITS) \
	X("de_kvnr", check_de_kvnr, CHECK_DIGITS) X("nz_nhi", check_nz_nhi, CHECK_DIGITS)
/* clang-format on */

#define X(name, fn, proof) enum check_result fn(struct candidate *c);
CHECK_TABLE(X)
#undef X

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

/* Bytes before a match in which check_curl() looks for "curl". No other validator reads more
 * than a word there. */
enum { CHECK_CURL_BACK = 512 };

#endif
