/* Parsers of the four kinds of credential files. AWS credentials follow the AWS CLI User
 * Guide, "Configuration and credential file settings". A Google service account is a JSON
 * object. An Entra ID client secret is one line, and so is the value of any other header. */
#include "gate/auth/material.h"

#include <errno.h>
#include <openssl/pem.h>
#include <sodium.h>

#include "base/ascii.h"
#include "base/attr.h"
#include "base/caps.h"
#include "base/codec/json.h"
#include "base/err.h"
#include "base/keyfile.h"
#include "base/scoped.h"

enum { RSA_BITS_MIN = 2048, RSA_BITS_MAX = 8192, AWS_KEY_MAX = 256, FILE_MAX_BYTES = 64 << 10 };

static bool
is_visible_text(struct span s, size_t most)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= 0x20 || s.p[i] > 0x7e)
			return false;
	return s.n > 0 && s.n <= most;
}

/* ---- AWS ---- */

/* Returns true if the line is [NAME] or [profile NAME]. The second form is used in AWS'
 * configuration file. */
static bool
section_is(struct span line, const char *profile)
{
	struct span name = span_trim(span_cut(line, 1, line.n - 1), " \t");

	if (span_starts(name, SPAN_LIT("profile ")))
		name = span_trim(span_cut(name, 8, name.n), " \t");
	return span_is(name, profile);
}

/* Stores one of the profile's three keys. Other names are ignored. */
static int
aws_value(struct material *m, struct span name, struct span value, const char **why)
{
	/* clang-format off */
	const struct { const char *name; struct span *to; size_t most; } rows[] = {
		{ "aws_access_key_id",     &m->keys.id,     AWS_KEY_MAX },
		{ "aws_secret_access_key", &m->keys.secret, AWS_KEY_MAX },
		{ "aws_session_token",     &m->keys.token,  CAP_CREDENTIAL_BYTES },
	};
	/* clang-format on */
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		if (!span_ieq(name, span_str(rows[i].name)))
			continue;
		if (rows[i].to->p) {
			*why = "a key of the profile occurs twice";
			return ERR_DUPLICATE;
		}
		if (!is_visible_text(value, rows[i].most)) {
			*why = "a key of the profile is empty, too long or not printable ASCII";
			return ERR_SYNTAX;
		}
		*rows[i].to = arena_dup(&m->a, value);
	}
	return 0;
}

static int
aws_parse(struct span text, const char *profile, struct material *m, const char **why)
{
	bool ours = false, seen = false;
	int err = 0;

	while (text.n && !err) {
		struct span line = span_trim(span_next(&text, '\n'), " \t\r");
		if (line.n == 0 || line.p[0] == '#' || line.p[0] == ';')
			continue;
		if (line.p[0] == '[') {
			if (line.p[line.n - 1] != ']') {
				*why = "the ] of a [section] is missing";
				return ERR_SYNTAX;
			}
			ours = section_is(line, profile);
			if (ours && seen) {
				*why = "the profile occurs twice in the file";
				return ERR_DUPLICATE;
			}
			seen |= ours;
			continue;
		}
		struct span name = span_next(&line, '=');
		if (ours && !line.p) {
			*why = "a line of the profile has no =";
			return ERR_SYNTAX;
		}
		if (ours)
			err = aws_value(m, span_trim(name, " \t"), span_trim(line, " \t"), why);
	}
	if (err)
		return err;
	*why = !seen		   ? "the file does not contain the profile"
	       : !m->keys.id.n	   ? "the profile has no aws_access_key_id"
	       : !m->keys.secret.n ? "the profile has no aws_secret_access_key"
	       : !span_is_alnum(m->keys.id, "")
		       ? "aws_access_key_id: letters and digits are expected"
		       : NULL;
	return *why ? ERR_SYNTAX : 0;
}

/* ---- Google ---- */

static int
no_password(char *buf UNUSED, int size UNUSED, int rw UNUSED, void *arg UNUSED)
{
	return 0;
}

static int
private_key(struct span pem, struct material *m, const char **why)
{
	BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);

	m->key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;
	BIO_free(bio);
	if (!m->key)
		*why = "private_key is not a PEM key";
	else if (EVP_PKEY_get_base_id(m->key) != EVP_PKEY_RSA ||
		 EVP_PKEY_get_bits(m->key) < RSA_BITS_MIN ||
		 EVP_PKEY_get_bits(m->key) > RSA_BITS_MAX)
		*why = "private_key: an RSA key of 2048 to 8192 bits is expected";
	return *why ? ERR_SYNTAX : 0;
}

/* Returns true if the text can be copied into a JSON claim or a header without escapes. */
static bool
is_plain_material(struct span s)
{
	return is_visible_text(s, 1024) && !memchr(s.p, '"', s.n) && !memchr(s.p, '\\', s.n);
}

static int
account_parse(struct span text, struct material *m, const char **why)
{
	struct span type = { NULL, 0 }, pem = { NULL, 0 };
	/* clang-format off */
	const struct { const char *name; struct span *to; } rows[] = {
		{ "type", &type }, { "private_key", &pem }, { "client_email", &m->email },
		{ "private_key_id", &m->kid }, { "token_uri", &m->token_uri },
	};
	/* clang-format on */
	struct json *j = json_open(&m->a, text);
	struct json_event ev = { .tok = JSON_ERROR };

	*why = "not a JSON object";
	if (!j || json_next(j, &ev) != JSON_OBJECT)
		return ERR_SYNTAX;
	while (json_next(j, &ev) == JSON_KEY) {
		struct span key = json_text(&m->a, text, &ev), *to = NULL;
		for (size_t i = 0; i < COUNT_OF(rows); i++)
			if (span_is(key, rows[i].name))
				to = rows[i].to;
		if (!to) {
			json_skip(j, &ev);
		} else if (json_next(j, &ev) == JSON_STRING) {
			*to = arena_dup(&m->a, json_text(&m->a, text, &ev));
		} else {
			*why = "type, client_email, private_key, private_key_id and "
			       "token_uri must be strings";
			return ERR_SYNTAX;
		}
	}
	if (ev.tok != JSON_OBJECT_END || json_next(j, &ev) != JSON_END)
		return ERR_SYNTAX;
	*why = !span_is(type, "service_account") ? "the type in the file is not service_account"
	       : !is_plain_material(m->email)	 ? "client_email is missing or invalid"
	       : !is_plain_material(m->kid)	 ? "private_key_id is missing or invalid"
	       : !is_plain_material(m->token_uri) ? "token_uri is missing or invalid"
	       : !pem.n				  ? "private_key is missing"
						  : NULL;
	return *why ? ERR_SYNTAX : private_key(pem, m, why);
}

/* Checks the URL that the assertion is sent to, because its recipient can use the assertion.
 * Only Google's own URLs and the URL that the operator configured are accepted. Returns NULL,
 * or what is wrong. */
static const char *
account_fits(const struct provider_credential *c, const struct material *m)
{
	static const char *const known[] = { "https://oauth2.googleapis.com/token",
		"https://www.googleapis.com/oauth2/v4/token",
		"https://accounts.google.com/o/oauth2/token" };

	if (c->token_uri ? span_is(m->token_uri, c->token_uri) : SPAN_IN(m->token_uri, known))
		return NULL;
	return c->token_uri
		       ? "the file's token_uri differs from token_uri in the configuration"
		       : "the file's token_uri is not one of Google's: to use "
			 "another one, set token_uri in the configuration";
}

/* ---- a line ---- */

static int
line_parse(
	struct span text, const char *prefix, bool blanks, struct material *m, const char **why)
{
	struct span line = span_trim(text, " \t\r\n");

	for (size_t i = 0; i < line.n && !*why; i++)
		if (line.p[i] == '\n' || line.p[i] == '\r')
			*why = "more than one line";
		else if (line.p[i] < (blanks ? 0x20 : 0x21) || line.p[i] > 0x7e)
			*why = "expected printable ASCII without spaces";
	if (line.n == 0)
		*why = "the file is empty";
	if (line.n + strlen(prefix) > CAP_CREDENTIAL_BYTES)
		*why = "the credential is too long";
	if (!*why)
		m->text = arena_printf(&m->a, "%s%.*s", prefix, SPAN_ARG(line));
	return *why ? ERR_SYNTAX : 0;
}

/* ---- the whole ---- */

int
material_parse(const struct provider_credential *c, struct span text, struct material *m,
	const char **why)
{
	int err = 0;

	*m = (struct material){ .key = NULL };
	arena_init(&m->a, 4 * FILE_MAX_BYTES, true);
	sha256(text, m->hash);
	*why = NULL;
	switch (c->kind) {
	case BY_SIGV4: err = aws_parse(text, c->profile, m, why); break;
	case BY_VERTEX:
		err = account_parse(text, m, why);
		if (!err && (*why = account_fits(c, m)))
			err = ERR_AUTH;
		break;
	case BY_ENTRA:
	case BY_EXCHANGE:
	case BY_ON_BEHALF: err = line_parse(text, "", true, m, why); break;
	case BY_FILE: err = line_parse(text, c->prefix ? c->prefix : "", true, m, why); break;
	case BY_KINDS: break;
	}
	if (arena_failed(&m->a)) {
		*why = "the file is too large";
		err = ERR_LIMIT;
	}
	return err;
}

int
material_read(const struct provider_credential *c, struct material *m, struct buf *why)
{
	const char *wrong = NULL;

	*m = (struct material){ .key = NULL };
	SCOPED_BUF(text, FILE_MAX_BYTES);
	int err = keyfile_text(c->file, "a credential", &text, why);
	if (!err && (err = material_parse(c, buf_view(&text), m, &wrong)))
		buf_printf(why, "%s: %s%s%s", c->file, wrong ? wrong : err_str(err),
			c->kind == BY_SIGV4 ? ": profile " : "",
			c->kind == BY_SIGV4 ? c->profile : "");
	return err;
}

void
material_free(struct material *m)
{
	EVP_PKEY_free(m->key);
	arena_reset(&m->a);
	sodium_memzero(m, sizeof(*m));
}
