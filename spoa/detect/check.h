/* Validators: a rule file names one (`check: luhn`), the table in check.c finds
 * it. A validator confirms or refuses what a pattern found, and may move its
 * ends: the pattern proposes the longest shape, the validator keeps what is
 * true. Pure functions of the text. */
#ifndef DETECT_CHECK_H
#define DETECT_CHECK_H

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
	struct check_memo *memo;
};

struct check {
	const char *name;
	enum check_result (*run)(struct candidate *c);
};

/* NULL where there is none of that name. */
const struct check *check_find(struct span name);
/* All names, comma separated, for messages. */
const char *check_names(void);

/* clang-format off */
#define CHECK_TABLE_SECRETS(X) \
	X("vendor",     check_vendor)     /* after its vendor's name: a shape, and a key that says secret */ \
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
	X("email",    check_email)    /* RFC 5321 4.1.2, RFC 6531 */ \
	X("jwt",      check_jwt)      /* RFC 7515: the header decodes to JSON with alg */ \
	X("pem",      check_pem)      /* RFC 7468: a private key's body, with or without END */ \
	X("token",    check_token)    /* random looking: no placeholder, no run of one byte */ \
	X("generic",  check_generic)  /* key=value: entropy, mixed classes, stop words */ \
	X("password", check_password) /* key=value, chosen by a person */ \
	X("bearer",   check_bearer)   /* a credential in a header: random looking */ \
	X("userinfo", check_userinfo) /* scheme://user:password@host */ \
	X("curl",     check_curl)     /* curl -u user:password */ \
	CHECK_TABLE_SECRETS(X) \
	X("none",     check_none)     /* the pattern says it all */
/* clang-format on */

#define X(name, fn) enum check_result fn(struct candidate *c);
CHECK_TABLE(X)
#undef X

/* ---- shared by the validators ---- */

static inline bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}
static inline bool
is_upper(char c)
{
	return c >= 'A' && c <= 'Z';
}
static inline bool
is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}
static inline bool
is_alpha(char c)
{
	return is_upper(c) || is_lower(c);
}
static inline bool
is_alnum(char c)
{
	return is_digit(c) || is_alpha(c);
}
static inline bool
is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* ISO/IEC 7812-1 annex B over decimal digits. */
bool luhn_valid(const char *digits, size_t n);
/* Shannon entropy in bits a byte. */
float entropy(struct span s);
/* True where one byte is repeated as people do who hide a value: xxxxxxxxxx. */
bool token_placeholder(struct span s);
/* Of one character of either base64 alphabet (RFC 4648 4 and 5), or -1. */
int base64_value(char c);
/* True where the candidate is a group of a UUID. */
bool inside_uuid(const struct candidate *c);
/* The digits of [start, end) into to[cap]; the number of them, also beyond cap. */
size_t digits_of(const struct candidate *c, char *to, size_t cap);

#endif
