/* Validators: a rule file names one (`check: luhn`), the table in check.c finds
 * it. A validator confirms or refuses what a pattern found, and may move its
 * ends: the pattern proposes the longest shape, the validator keeps what is
 * true. Pure functions of the text. */
#ifndef DETECT_CHECK_H
#define DETECT_CHECK_H

#include "base/buf.h"
#include "base/span.h"

enum check_result {
	CHECK_NO,    /* not this entity */
	CHECK_SHAPE, /* looks like it; nothing more can be said */
	CHECK_VALID, /* a checksum or a full grammar confirmed it */
};

/* What one scan remembers, so that bounded look-ahead stays linear. */
struct check_memo {
	size_t pem_from, pem_end; /* from pem_from on, the next END line ends at pem_end */
	bool pem_known;
};

struct candidate {
	struct span text;
	size_t start, end; /* of the finding; the validator may move them */
	size_t match;	   /* where the pattern itself began */
	float score;
	bool whole; /* the text is a key, '=' and its value, nothing else */
	struct check_memo *memo;
};

struct check {
	const char *name;
	enum check_result (*run)(struct candidate *c); /* NULL: a row of check_digits.c */
};

/* NULL where there is none of that name. */
const struct check *check_find(struct span name);
enum check_result check_run(const struct check *k, struct candidate *c);
/* Whether it reads a value to its first blank, however far the pattern goes: value_is_prose()
 * says of one that goes on that it will refuse it. */
bool check_ends_early(const struct check *k);
/* All names, comma separated, for messages. */
void check_names(struct buf *out);

/* clang-format off */
#define CHECK_TABLE_SECRETS(X) \
	X("vendor",     check_vendor)     /* after its vendor's name: a shape, and a key that says secret */ \
	X("k8s",        check_k8s)        /* the data of a Kubernetes Secret */ \
	X("ppk",        check_ppk)        /* a PuTTY key file, to its MAC */ \
	X("crc62",      check_crc62)      /* CRC-32 in base 62 at the end: GitHub, npm */ \
	X("grafana",    check_grafana)    /* CRC-32 in hex at the end */ \
	X("bech32_key", check_bech32_key) /* BIP 173: age, Nostr */ \
	X("xprv",       check_xprv)       /* BIP 32: Base58Check of 78 bytes */ \
	X("pypi",       check_pypi)       /* a macaroon, version 2, in base64 */ \
	X("json64",     check_json64)     /* JSON in base64 */ \
	X("discord",    check_discord)    /* a snowflake in base64 before the dot */ \
	X("aws_id",     check_aws_id)     /* base32 with an account number inside */ \
	X("basic",      check_basic)      /* RFC 7617: user:password in base64 */

#define CHECK_TABLE(X) \
	X("card",     check_card)     /* ISO/IEC 7812-1: issuer range, length, Luhn */ \
	X("ssn",      check_ssn)      /* SSA: area, group, serial */ \
	X("iban",     check_iban)     /* ISO 13616: country length, mod 97 */ \
	X("phone",    check_phone)    /* E.164 country code and length; NANP; national shapes */ \
	X("ip",       check_ip)       /* RFC 4291, RFC 5952; version numbers are none */ \
	X("ip_special", check_ip_special) /* the same, of nobody: RFC 6890 and public resolvers */ \
	X("email",    check_email)    /* RFC 5321 4.1.2, RFC 6531 */ \
	X("jwt",      check_jwt)      /* RFC 7515: the header decodes to JSON with alg */ \
	X("pem",      check_pem)      /* RFC 7468: a private key's body, with or without END */ \
	X("token",    check_token)    /* random looking: no placeholder, no run of one byte */ \
	X("generic",  check_generic)  /* key=value: entropy, mixed classes, stop words */ \
	X("password", check_password) /* key=value, chosen by a person */ \
	X("argument", check_argument) /* a password after its option or statement */ \
	X("bearer",   check_bearer)   /* a credential in a header: random looking */ \
	X("userinfo", check_userinfo) /* scheme://user:password@host */ \
	X("curl",     check_curl)     /* curl -u user:password */ \
	CHECK_TABLE_SECRETS(X) \
	X("none",     check_none)     /* the pattern says it all */ \
	CHECK_TABLE_IDS(X)

/* Numbers with check digits, dates or grammars; the specification is at each function in
 * check_id_*.c, check_finance.c and check_crypto.c. Most are rows of check_digits.c. */
#define CHECK_TABLE_IDS(X) \
	X("be_nrn", check_be_nrn) X("fr_nir", check_fr_nir) X("fr_spi", check_fr_spi) \
	X("de_tax", check_de_tax) X("de_document", check_de_document) X("de_rvnr", check_de_rvnr) \
	X("es_nif", check_es_nif) X("es_nss", check_es_nss) X("it_fiscal", check_it_fiscal) \
	X("ie_ppsn", check_ie_ppsn) X("lu_nin", check_lu_nin) X("fi_hetu", check_fi_hetu) \
	X("cz_rodne_cislo", check_cz_rodne_cislo) X("lv_pk", check_lv_pk) \
	X("ru_snils", check_ru_snils) X("uk_nino", check_uk_nino) X("uk_utr", check_uk_utr) \
	X("uk_driving", check_uk_driving) X("uk_postcode", check_uk_postcode) X("vin", check_vin) \
	X("mx_curp", check_mx_curp) X("mx_rfc", check_mx_rfc) X("mx_rfc_strict", check_mx_rfc_strict) \
	X("in_gstin", check_in_gstin) X("cn_id", check_cn_id) X("tw_id", check_tw_id) \
	X("hk_id", check_hk_id) X("sg_nric", check_sg_nric) X("au_abn", check_au_abn) \
	X("us_npi", check_us_npi) X("us_dea", check_us_dea) \
	X("us_mbi", check_us_mbi) X("de_kvnr", check_de_kvnr) X("nz_nhi", check_nz_nhi) \
	X("bic", check_bic) X("named", check_named) X("mrn", check_mrn) X("id_text", check_id_text) \
	X("plate", check_plate) X("mac", check_mac) X("date", check_date) X("base58", check_base58) \
	X("bech32", check_bech32) X("ethereum", check_ethereum)
/* clang-format on */

#define X(name, fn) enum check_result fn(struct candidate *c);
CHECK_TABLE(X)
#undef X

/* ---- shared by the validators ---- */

/* ISO/IEC 7812-1 annex B over decimal digits. */
bool luhn_valid(const char *digits, size_t n);
/* ISO 7064 mod 97-10 as ISO 13616 has it: of letters in either case, A is 10, and digits; the
 * first four characters go last. */
bool iban_valid(const char *v, size_t n);

/* Shannon entropy in bits a byte. */
float entropy(struct span s);
/* True where one byte is repeated as people do who hide a value: xxxxxxxxxx. */
bool token_placeholder(struct span s);
/* Base64 of either alphabet; the bytes written, up to the first character that is none or
 * `cap`. */
size_t decode64(struct span s, unsigned char *to, size_t cap);
/* True where the candidate is a group of a UUID. */
bool inside_uuid(const struct candidate *c);
/* The digits of [start, end) into to[cap]; the number of them, also beyond cap. */
size_t digits_of(const struct candidate *c, char *to, size_t cap);

/* How far check_curl looks for its word before a match: no other validator reads more
 * than a word there. */
enum { CHECK_CURL_BACK = 512 };

#endif
