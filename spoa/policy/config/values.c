/* Reads the rows of a section into a struct, and compares two such structs: for policies and
 * tollgate.yaml the kinds of enum field_kind, and for tollgate.yaml its own kinds too (addresses,
 * names, lists). Each row (struct field) has the offset of its member in `place`.
 *
 * Some sections of tollgate.yaml have code of their own:
 * - admin.tls, {listen, certificate, key, clients}, and admin.users, {NAME or UID: ROLE or [ROLES]}.
 * - credentials, {PROVIDER: {KIND: {…}}}. The relay adds these to requests, because HAProxy cannot
 *   compute them or does not hold them.
 * - anchors, a list of {KIND: PLACE, every: …}. Each row is checked: one place, the files that its
 *   kind needs, and no files that its kind cannot have.
 * - telemetry.otlp, {url, headers_file, ratio, metrics_every, ca, gzip}.
 *
 * Options of two configurations are compared for reloads. */
#include "policy/config/options.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/among.h"
#include "base/ascii.h"
#include "base/caps.h"
#include "base/codec/credentials.h"
#include "base/err.h"
#include "base/fetch/http_client.h"
#include "policy/config/admin.h"
#include "policy/config/anchors.h"
#include "policy/config/credentials.h"
#include "policy/config/fields.h"
#include "policy/config/load.h"
#include "policy/config/otlp.h"
#include "policy/config/read.h"
#include "policy/config/rows.h"

/* ---- rows of any section ---- */

/* Reads a string or path. An error names the section `within` if that is not empty. */
static void
field_text(struct arena *a, struct diag *d, const struct yaml_node *n, const struct field *f,
	const char *within, const char **out)
{
	const char *text, *why, *sep = *within ? ": " : "";

	if (!(f->kind == FIELD_TEXT ? read_text(d, n, f->key, &text)
				    : read_path(a, d, n, &text)))
		return;
	if (f->max && strlen(text) > f->max) {
		diag_at(d, n, "%s%s%s: longer than %" PRIu64 " bytes", within, sep, f->key,
			f->max);
	} else if (f->wrong && (why = f->wrong(text))) {
		diag_at(d, n, "%s%s%s: %s", within, sep, f->key, why);
	} else {
		if (f->kind == FIELD_PATH)
			diag_rotates(d, text);
		*out = text;
	}
}

/* Reads a value into the member at `at`. If the value is wrong, reports an error within section
 * `within` ("" for none) and leaves the member unchanged. Kinds outside of enum field_kind are
 * not read. */
static void
field_read(struct arena *a, struct diag *d, const struct yaml_node *n, const struct field *f,
	void *at, const char *within)
{
	uint64_t count;
	unsigned word;

	switch (f->kind) {
	case FIELD_TEXT:
	case FIELD_PATH:
	case FIELD_FILE: field_text(a, d, n, f, within, at); break;
	case FIELD_BOOL: read_bool(d, n, at); break;
	case FIELD_COUNT: read_uint(d, n, f->min, f->max, at); break;
	case FIELD_UNSIGNED:
		if (read_uint(d, n, f->min, f->max, &count))
			*(unsigned *)at = (unsigned)count;
		break;
	case FIELD_DURATION: read_duration_us(d, n, f->min, f->max, at); break;
	case FIELD_SECONDS:
		if (!read_duration_us(d, n, f->min, f->max, at))
			break;
		if (*(uint64_t *)at % SECOND_US)
			diag_at(d, n, "%s: whole seconds are expected, found %s", f->key,
				n->s.p);
		*(uint64_t *)at /= SECOND_US;
		break;
	case FIELD_SIZE: read_size(d, n, f->min, f->max, at); break;
	case FIELD_WORD: read_word(d, n, f->words, at); break;
	case FIELD_FLAG:
		if (read_word(d, n, f->words, &word))
			*(bool *)at = word == 1;
		break;
	default: break;
	}
}

/* Reports keys that the section does not have. Returns false if `n` is not a mapping. */
static bool
fields_known(struct diag *d, const struct yaml_node *n, const struct section *s)
{
	const char *keys[SECTION_FIELDS];
	size_t i;

	for (i = 0; s->fields[i].key; i++)
		keys[i] = s->fields[i].key;
	keys[i] = NULL;
	return read_map(d, n, s->name, keys, s->later);
}

bool
fields_read(struct arena *a, struct diag *d, const struct yaml_node *n, const struct section *s,
	void *out)
{
	if (!fields_known(d, n, s))
		return false;
	for (const struct field *f = s->fields; f->key; f++) {
		const struct yaml_node *c = yaml_get(n, f->key);
		void *at = out ? (char *)out + f->place : NULL;
		if (f->fallback)
			field_read(a, d,
				&(struct yaml_node){
					.kind = YAML_SCALAR, .s = span_str(f->fallback) },
				f, at, "");
		if (c)
			field_read(a, d, c, f, at, s->bare ? "" : s->name);
		else if (f->needed && s->bare)
			diag_at(d, n->key ? n->key : n, "%s: is missing", f->key);
		else if (f->needed)
			diag_at(d, n, "%s: %s is missing", s->name, f->key);
	}
	return true;
}

/* Reads a list of such mappings into an array in the arena and sets *count. Each struct begins
 * with `const struct yaml_node *at` and the string of the first row, which must be unique.
 * Returns NULL if `n` is not a list or was refused. */
static void *
fields_list(struct arena *a, struct diag *d, const struct yaml_node *n, const struct section *s,
	size_t *count)
{
	struct entry {
		const struct yaml_node *at;
		const char *name;
	} * one, *other;
	char *all = read_room(a, d, n, s->name, s->most, s->size);

	for (const struct yaml_node *c = all ? n->child : NULL; c; c = c->next) {
		one = (void *)(all + *count * s->size);
		one->at = c;
		fields_read(a, d, c, s, one);
		for (size_t i = 0; i < *count && one->name; i++) {
			other = (void *)(all + i * s->size);
			if (str_same(other->name, one->name))
				diag_at(d, c, "%s: %s %s is listed twice", s->name,
					s->fields[0].key, one->name);
		}
		++*count;
	}
	return all;
}

/* Return true if two structs, or two arrays of structs, have equal values in all rows. Values
 * of kind FIELD_OTHER are not compared. */
static bool
field_same(const struct field *f, const void *x, const void *y)
{
	const void *a = (const char *)x + f->place, *b = (const char *)y + f->place;

	switch (f->kind) {
	case FIELD_TEXT:
	case FIELD_PATH:
	case FIELD_FILE: return str_same(*(const char *const *)a, *(const char *const *)b);
	case FIELD_BOOL:
	case FIELD_FLAG: return *(const bool *)a == *(const bool *)b;
	case FIELD_COUNT:
	case FIELD_DURATION:
	case FIELD_SECONDS:
	case FIELD_SIZE: return *(const uint64_t *)a == *(const uint64_t *)b;
	case FIELD_UNSIGNED:
	case FIELD_WORD: return *(const unsigned *)a == *(const unsigned *)b;
	default: return true;
	}
}

static bool
fields_same(const struct section *s, const void *x, const void *y)
{
	bool same = true;

	for (const struct field *f = s->fields; f->key; f++)
		same = same && field_same(f, x, y);
	return same;
}

static bool
fields_same_list(const struct section *s, const void *x, size_t nx, const void *y, size_t ny)
{
	bool same = nx == ny;

	for (size_t at = 0; same && at < nx * s->size; at += s->size)
		same = fields_same(s, (const char *)x + at, (const char *)y + at);
	return same;
}

/* ---- admin.tls and admin.users ---- */

const char *const role_names[ROLES + 1] = { "viewer", "operator", "auditor", NULL };

unsigned
roles_parse(struct span s)
{
	unsigned roles = 0;

	if (!s.n || s.p[s.n - 1] == ',')
		return 0;
	while (s.n) {
		size_t i = span_find(span_trim(span_next(&s, ','), " "), role_names, ROLES);
		if (i == ROLES)
			return 0;
		roles |= 1u << i | ROLE_VIEWER;
	}
	return roles;
}

const char *
roles_text(unsigned roles, char out[ROLES_TEXT])
{
	size_t n = 0;

	if (roles & ~(unsigned)ROLE_VIEWER)
		roles &= ~(unsigned)ROLE_VIEWER;
	out[0] = '\0';
	for (size_t i = 0; i < ROLES; i++)
		if (roles >> i & 1)
			n += (size_t)snprintf(
				out + n, ROLES_TEXT - n, "%s%s", n ? "," : "", role_names[i]);
	return out;
}

/* clang-format off */
const struct section admin_tls_fields = { "admin.tls", "[\"listen\",\"certificate\",\"key\"]", .fields = {
	{ "listen", OTHER(TEXT) },
	{ "certificate", A_FILE(admin_tls, certificate) },
	{ "key", A_FILE(admin_tls, key) },
	{ "clients", A_FILE(admin_tls, clients) },
} };
/* clang-format on */

/* Reads the section into *out. Strings live in the arena, and errors are added to *d. */
static void
admin_tls_read(
	struct arena *a, struct diag *d, const struct yaml_node *n, struct admin_tls *out)
{
	static const char *const needed[] = { "listen", "certificate", "key" };

	if (!fields_read(a, d, n, &admin_tls_fields, out))
		return;
	out->listen = yaml_get(n, "listen");
	for (size_t i = 0; i < COUNT_OF(needed); i++)
		if (!yaml_get(n, needed[i]))
			diag_at(d, n, "admin.tls.%s: is missing", needed[i]);
}

/* Returns the roles of a word or a list, or 0 after it reported an error. */
static unsigned
roles_of(struct diag *d, const struct yaml_node *n)
{
	unsigned roles = 0;

	if (n->kind == YAML_SCALAR)
		roles = roles_parse(n->s);
	else
		for (const struct yaml_node *c = yaml_first(n); c; c = yaml_next(n, c)) {
			unsigned one = c->kind == YAML_SCALAR ? roles_parse(c->s) : 0;
			if (!one) {
				roles = 0;
				break;
			}
			roles |= one;
		}
	if (!roles)
		diag_at(d, n,
			"admin.users: %s: viewer, operator, auditor or a list of these is "
			"expected",
			n->key && n->key->s.p ? n->key->s.p : "?");
	return roles;
}

static void
admin_users_read(struct arena *a, struct diag *d, const struct yaml_node *n,
	struct admin_user **out, size_t *count)
{
	if (n->kind != YAML_MAPPING) {
		diag_at(d, n,
			"admin.users: a mapping of user names or uids to roles is expected, "
			"such as {alice: operator}");
		return;
	}
	struct admin_user *list = read_array(a, d, n, CAP_ADMIN_USERS, sizeof(*list));
	if (!list)
		return;
	*out = list;
	for (const struct yaml_node *c = n->child; c; c = c->next) {
		if (*count == CAP_ADMIN_USERS) {
			diag_at(d, c, "admin.users: more than %d", CAP_ADMIN_USERS);
			return;
		}
		if (!c->key->s.n || c->key->s.n > 64)
			diag_at(d, c->key, "admin.users: a name of 1 to 64 bytes is expected");
		list[*count].name = c->key->s.p;
		list[(*count)++].roles = roles_of(d, c);
	}
}

/* ---- credentials ---- */

enum { TEXT_MAX = 1024 }; /* bytes of one string */

/* Checks of strings: each returns NULL, or the reason why a string is wrong. */

/* The string becomes part of a header and of the signed scope, where '/' separates. */
static const char *
scope_name(const char *s)
{
	return span_is_alnum(span_str(s), "._-") ? NULL
						 : "letters, digits, . _ and - are expected";
}

static const char *
host_name(const char *s)
{
	return span_is_alnum(span_str(s), ".-:")
		       ? NULL
		       : "a host name is expected, as the backend sends it";
}

static const char *
printable_value(const char *s)
{
	while (is_graph(*s) || *s == ' ')
		s++;
	return *s ? "printable ASCII is expected" : NULL;
}

/* A secret is sent to this URL, so plain http is accepted within this machine only. */
static const char *
token_url(const char *s)
{
	const char *why = http_url_check(s);

	if (why || !url_leaves_in_clear(s))
		return why;
	return "https, unix:/SOCKET:/PATH or an http listener of this machine is expected, "
	       "because a secret is sent there";
}

static const char *
https_url(const char *s)
{
	return strncmp(s, "https://", 8) ? "https is expected" : http_url_check(s);
}

/* Azure's content safety has a header of its own. It is for recognizers, which are not asked
 * through HAProxy (build_credentials()). */
static const char *
header_set(const char *s)
{
	return read_listed(credential_set, span_str(s)) || !strcmp(s, "ocp-apim-subscription-key")
		       ? NULL
		       : "one of authorization, api-key, x-api-key, x-goog-api-key and "
			 "x-amz-security-token is expected, or ocp-apim-subscription-key for a "
			 "recognizer: HAProxy deletes all other headers";
}

/* clang-format off */
#define A_NAME(member)   A_TEXT_TO(provider_credential, member, TEXT_MAX), NULL
#define A_SECRET(member) A_FILE_TO(provider_credential, member, TEXT_MAX), NULL
static const struct section credential_kinds[BY_KINDS] = {
	[BY_SIGV4] = { "sigv4", .bare = true, .fields = {
		{ "region",  A_NAME(region), scope_name, .needed = true },
		{ "service", A_NAME(service), scope_name, "bedrock" },
		{ "host",    A_NAME(host), host_name },
		{ "file",    A_SECRET(file), .needed = true },
		{ "profile", A_NAME(profile), printable_value, "default" } } },
	[BY_VERTEX] = { "vertex", .bare = true, .fields = {
		{ "service_account_file", A_SECRET(file), .needed = true },
		{ "url",       A_NAME(url), token_url, .needed = true },
		{ "ca_file",   A_SECRET(ca_file) },
		{ "scope",     A_NAME(scope), printable_value, "https://www.googleapis.com/auth/cloud-platform" },
		{ "token_uri", A_NAME(token_uri), https_url } } },
	[BY_ENTRA] = { "entra", .bare = true, .fields = {
		{ "tenant",    A_NAME(token_uri), scope_name, .needed = true },
		{ "client_id", A_NAME(client_id), scope_name, .needed = true },
		{ "client_secret_file", A_SECRET(file), .needed = true },
		{ "authority", A_NAME(url), token_url, .needed = true },
		{ "ca_file",   A_SECRET(ca_file) },
		{ "scope",     A_NAME(scope), printable_value, "https://cognitiveservices.azure.com/.default" } } },
	[BY_EXCHANGE] = { "exchange", .bare = true, .fields = {
		{ "url",         A_NAME(url), token_url, .needed = true },
		{ "client_id",   A_NAME(client_id), printable_value, .needed = true },
		{ "secret_file", A_SECRET(file), .needed = true },
		{ "audience",    A_NAME(audience), printable_value },
		{ "resource",    A_NAME(resource), printable_value },
		{ "scope",       A_NAME(scope), printable_value },
		{ "actor_file",  A_SECRET(actor_file) },
		{ "ca_file",     A_SECRET(ca_file) } } },
	[BY_ON_BEHALF] = { "on_behalf_of", .bare = true, .fields = {
		{ "url",         A_NAME(url), token_url, .needed = true },
		{ "client_id",   A_NAME(client_id), printable_value, .needed = true },
		{ "secret_file", A_SECRET(file), .needed = true },
		{ "scope",       A_NAME(scope), printable_value, .needed = true },
		{ "ca_file",     A_SECRET(ca_file) } } },
	/* BY_FILE has its keys next to the names of the other kinds */
	[BY_FILE] = { "credentials", .bare = true, .fields = {
		{ "sigv4", OTHER(""), NULL }, { "vertex", OTHER(""), NULL }, { "entra", OTHER(""), NULL },
		{ "exchange", OTHER(""), NULL }, { "on_behalf_of", OTHER(""), NULL },
		{ "header", A_NAME(header), header_set, .needed = true },
		{ "file",   A_SECRET(file), .needed = true },
		{ "prefix", A_NAME(prefix), printable_value } } },
};
/* clang-format on */

/* Completes strings that are derived from others: the host of sigv4, and the token URL of
 * entra. Returns false if memory is exhausted. */
static bool
derive_credential(struct arena *a, struct provider_credential *c)
{
	if (c->kind == BY_SIGV4 && !c->host && c->region)
		c->host =
			arena_printf(a, "%s-runtime.%s.amazonaws.com", c->service, c->region).p;
	if (c->kind == BY_ENTRA && c->url && c->token_uri) {
		struct span base = span_trim(span_str(c->url), "/");
		c->url = arena_printf(
			a, "%.*s/%s/oauth2/v2.0/token", SPAN_ARG(base), c->token_uri)
				 .p;
	}
	return !arena_failed(a);
}

/* Reads the credential of one provider. */
static void
read_one(struct arena *a, struct diag *d, const struct yaml_node *n,
	struct provider_credential *c)
{
	const struct yaml_node *inner = NULL;

	c->kind = BY_FILE;
	for (size_t i = 0; i < BY_FILE; i++) {
		const struct yaml_node *v = yaml_get(n, credential_kinds[i].name);
		if (v && (inner || n->count > 1))
			diag_at(d, v->key,
				"credentials: %s must be the only key: a provider has one "
				"credential",
				credential_kinds[i].name);
		if (v && !inner) {
			c->kind = (enum provider_credential_kind)i;
			inner = v;
		}
	}
	if (!inner || fields_known(d, n, &credential_kinds[BY_FILE]))
		fields_read(a, d, inner ? inner : n, &credential_kinds[c->kind], c);
	if (!derive_credential(a, c))
		diag_at(d, n, "out of memory");
}

/* Reads the mapping into an array in the arena and sets *count. Errors are added to *d. */
static void
credentials_read(struct arena *a, struct diag *d, const struct yaml_node *n,
	struct provider_credential **out, size_t *count)
{
	if (!read_map(d, n, "credentials", NULL, NULL))
		return;
	if (n->count > CREDENTIALS_MAX) {
		diag_at(d, n, "credentials: more than %d", CREDENTIALS_MAX);
		return;
	}
	*out = read_array(a, d, n, n->count + 1, sizeof(**out));
	if (!*out)
		return;
	for (const struct yaml_node *c = n->child; c; c = c->next) {
		struct provider_credential *one = &(*out)[*count];
		one->provider = c->key->s.p;
		one->at = c->key;
		one->index = (*count)++;
		read_one(a, d, c, one);
	}
}

bool
credential_same(const struct provider_credential *x, const struct provider_credential *y)
{
	return x->kind == y->kind && str_same(x->provider, y->provider) &&
	       fields_same(&credential_kinds[x->kind], x, y);
}

struct provider_credential *
credential_copy(struct arena *a, const struct provider_credential *c)
{
	struct provider_credential *out = arena_new(a, struct provider_credential);

	if (!out)
		return NULL;
	out->kind = c->kind;
	out->provider = arena_strdup(a, c->provider);
	for (const struct field *f = credential_kinds[c->kind].fields; f->key; f++) {
		const char *text = *(const char *const *)((const char *)c + f->place);
		if (f->kind != FIELD_OTHER && text)
			*(const char **)(void *)((char *)out + f->place) =
				arena_strdup(a, text);
	}
	return arena_failed(a) ? NULL : out;
}

/* ---- anchors ---- */

#define EVERY_US  (60 * SECOND_US) /* default of `every` */
#define PLACE_MAX 511		   /* bytes */

const char *const anchor_words[ANCHOR_KINDS + 1] = { "file", "syslog", "url", "tsa", "witness",
	NULL };

/* Checks tls://HOST:PORT, tcp://HOST:PORT or unix:/PATH (a socket of datagrams). Returns NULL,
 * or the reason why `text` is none of these. */
static const char *
syslog_check(const char *text)
{
	struct span s = span_str(text), port;
	struct sockaddr_un un;
	uint64_t number;

	if (span_starts(s, SPAN_LIT("unix:")))
		return s.n < 7 || s.p[5] != '/' || s.n - 5 >= sizeof(un.sun_path)
			       ? "unix:/PATH is expected, with a path shorter than 108 bytes"
			       : NULL;
	if (!span_starts(s, SPAN_LIT("tls://")) && !span_starts(s, SPAN_LIT("tcp://")))
		return "tls://HOST:PORT, tcp://HOST:PORT or unix:/PATH is expected";
	s = span_cut(s, 6, s.n);
	size_t colon = span_behind(s, ':');
	port = span_cut(s, colon, s.n);
	if (colon < 2 || span_u64(port, &number) || number == 0 || number > 65535 ||
		!span_is_alnum(span_cut(s, 0, colon - 1), ".-_:[]"))
		return "HOST:PORT is expected, IPv6 in brackets";
	return NULL;
}

/* clang-format off */
const struct section anchor_section = { "anchors", .fields = {
	{ "file", A_FILE_TO(anchor_place, place, PLACE_MAX) },
	{ "syslog", A_TEXT_TO(anchor_place, place, PLACE_MAX), NULL, syslog_check },
	{ "url", A_TEXT_TO(anchor_place, place, PLACE_MAX), NULL, http_url_check },
	{ "tsa", A_TEXT_TO(anchor_place, place, PLACE_MAX), NULL, http_url_check },
	{ "witness", A_TEXT_TO(anchor_place, place, PLACE_MAX), NULL, http_url_check },
	{ "every", A_DURATION(anchor_place, every_us, SECOND_US, 86400 * SECOND_US) },
	{ "ca", A_FILE_TO(anchor_place, ca, PLACE_MAX) },
	{ "tls_ca", A_FILE_TO(anchor_place, tls_ca, PLACE_MAX) },
	{ "key", A_FILE_TO(anchor_place, key, PLACE_MAX) },
}, .size = sizeof(struct anchor_place) };
/* clang-format on */

/* Files of a row, the kinds that may have them, and the kinds that need them. */
static const struct {
	const char *name;
	unsigned kinds, needed;
} files[] = {
	{ "ca", 1u << ANCHOR_TSA, 1u << ANCHOR_TSA },
	{ "key", 1u << ANCHOR_WITNESS, 1u << ANCHOR_WITNESS },
	{ "tls_ca", ~(1u << ANCHOR_FILE), 0 },
};

/* Reads one row. */
static void
read_place(struct arena *a, struct diag *d, const struct yaml_node *n, struct anchor_place *p)
{
	const struct yaml_node *place = NULL;

	p->at = n;
	p->every_us = EVERY_US;
	if (!fields_read(a, d, n, &anchor_section, p))
		return;
	for (unsigned i = 0; i < ANCHOR_KINDS; i++) {
		const struct yaml_node *v = yaml_get(n, anchor_words[i]);
		if (v && place)
			diag_at(d, v->key,
				"anchors: %s: the entry already has a place: write a second "
				"entry",
				anchor_words[i]);
		else if (v)
			p->kind = (enum anchor_kind)i;
		place = place ? place : v;
	}
	if (!place) {
		diag_at(d, n, "anchors: one of file, syslog, url, tsa and witness is expected");
		return;
	}
	for (size_t i = 0; i < COUNT_OF(files); i++) {
		const struct yaml_node *v = yaml_get(n, files[i].name);
		if (v && !(files[i].kinds >> p->kind & 1))
			diag_at(d, v->key, "anchors: %s: is not for %s: remove it",
				files[i].name, anchor_words[p->kind]);
		else if (!v && files[i].needed >> p->kind & 1)
			diag_at(d, n, "anchors: %s: %s is missing", anchor_words[p->kind],
				files[i].name);
	}
	if (p->kind == ANCHOR_SYSLOG && p->place && p->tls_ca &&
		strncmp(p->place, "tls:", 4) != 0)
		diag_at(d, place,
			"anchors: syslog: tls_ca needs TLS: use tls://HOST:PORT, or remove "
			"tls_ca");
}

/* Reads the list into an array in the arena and sets *count. Errors are added to *d. *out is
 * NULL if `n` is not a list. */
static void
anchors_read(struct arena *a, struct diag *d, const struct yaml_node *n,
	struct anchor_place **out, size_t *count)
{
	*out = read_room(a, d, n, "anchors", CAP_ANCHOR_PLACES, sizeof(**out));
	if (!*out)
		return;
	for (const struct yaml_node *c = n->child; c; c = c->next) {
		struct anchor_place *p = &(*out)[(*count)++];
		read_place(a, d, c, p);
		for (struct anchor_place *o = *out; p->place && o < p; o++)
			if (o->kind == p->kind && str_same(o->place, p->place))
				diag_at(d, c, "anchors: %s is listed twice", p->place);
	}
}

/* ---- telemetry.otlp ---- */

enum { URL_MAX = 2048 }; /* bytes */

static const char *
collector_wrong(const char *text)
{
	const char *why = http_url_check(text);

	return why			? why
	       : strchr(text, '?')	? "contains a query: /v1/traces is appended to the URL"
	       : strlen(text) > URL_MAX ? "too long"
					: NULL;
}

/* clang-format off */
const struct section otlp_section = { "telemetry.otlp", "[\"url\"]", .fields = {
	{ "url", A_TEXT(otlp_config, url), NULL, collector_wrong, .needed = true },
	{ "headers_file", A_FILE(otlp_config, headers_file) },
	{ "ratio", OTHER(SCORE) },
	{ "metrics_every", A_DURATION(otlp_config, metrics_every_us, SECOND_US, 3600 * SECOND_US) },
	{ "ca", A_FILE(otlp_config, ca) },
	{ "gzip", A_BOOL(otlp_config, gzip) },
} };
/* clang-format on */

/* Reads telemetry.otlp. Errors are added to *d. */
static void
otlp_config_read(
	struct arena *a, struct diag *d, const struct yaml_node *n, struct otlp_config *out)
{
	const struct yaml_node *ratio = yaml_get(n, "ratio");

	*out = (struct otlp_config){ .at = n, .metrics_every_us = 60 * SECOND_US };
	if (!fields_read(a, d, n, &otlp_section, out))
		return;
	if (ratio) {
		/* "0", "0.05" or "1" */
		char *end = NULL;
		double v = -1;

		if (ratio->kind == YAML_SCALAR && ratio->s.n && ratio->s.n < 20 &&
			is_digit(ratio->s.p[0]) &&
			strspn(ratio->s.p, "0123456789.") == ratio->s.n)
			v = strtod(ratio->s.p, &end);
		if (v < 0 || v > 1 || *end)
			diag_at(d, ratio,
				"telemetry.otlp: ratio: a share from 0 to 1 is expected");
		else
			out->ratio = v;
	}
	struct span url = span_trim(span_str(out->url), "/");
	if (out->url)
		out->url = arena_dup(a, url).p;
	if (out->headers_file && out->url && url_leaves_in_clear(out->url))
		diag_at(d, yaml_get(n, "headers_file"),
			"telemetry.otlp: headers_file: contains a secret: use an https:// or "
			"unix: URL, or a collector on this machine");
}

/* ---- addresses ---- */

enum address_kind { ADDR_UNIX = 1, ADDR_TCP = 2 };

/* unix@/path. Returns 0, ERR_SYNTAX, ERR_NOMEM, or ERR_LIMIT if the path is too long for a
 * socket. */
static int
address_unix(struct config_reader *r, const char *path, struct address *out)
{
	struct sockaddr_un un;

	if (!*path)
		return ERR_SYNTAX;
	out->path = path_beside(r->a, r->cfg->file, path);
	if (!out->path)
		return ERR_NOMEM;
	return strlen(out->path) < sizeof(un.sun_path) ? 0 : ERR_LIMIT;
}

/* ADDRESS:PORT. The only accepted name is localhost, because other names would need a resolver
 * at start. */
static int
address_tcp(struct config_reader *r, struct span s, struct address *out)
{
	unsigned char bin[16];
	uint64_t port;
	size_t colon = span_behind(s, ':');

	if (colon < 2 || span_u64(span_cut(s, colon, s.n), &port) || port == 0 || port > 65535)
		return ERR_SYNTAX;
	struct span host = span_cut(s, 0, colon - 1);
	bool six = host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']';
	if (six)
		host = span_cut(host, 1, host.n - 1);
	if (!six && span_is(host, "localhost"))
		host = SPAN_LIT("127.0.0.1");
	host = arena_dup(r->a, host);
	if (!host.p)
		return ERR_NOMEM;
	if (inet_pton(six ? AF_INET6 : AF_INET, host.p, bin) != 1)
		return ERR_SYNTAX;
	out->host = host.p;
	out->port = (unsigned)port;
	return 0;
}

/* Reads an address of one of `kinds`. */
static bool
read_address(struct config_reader *r, const struct yaml_node *n, const char *name,
	unsigned kinds, struct address *out)
{
	static const char *const forms[] = {
		[ADDR_UNIX] = "unix@/path",
		[ADDR_TCP] = "ADDRESS:PORT",
		[ADDR_UNIX | ADDR_TCP] = "unix@/path or ADDRESS:PORT",
	};
	const char *text;
	int err = ERR_SYNTAX;

	if (!read_text(r->d, n, name, &text))
		return false;
	*out = (struct address){ .text = text };
	if (!strncmp(text, "unix@", 5)) {
		if (kinds & ADDR_UNIX)
			err = address_unix(r, text + 5, out);
	} else if (kinds & ADDR_TCP) {
		err = address_tcp(r, n->s, out);
	}
	if (err == ERR_LIMIT)
		diag_at(r->d, n, "%s: the socket's path is longer than %zu bytes", name,
			sizeof(((struct sockaddr_un *)0)->sun_path) - 1);
	else if (err == ERR_NOMEM)
		diag_at(r->d, n, "out of memory");
	else if (err)
		diag_at(r->d, n, "%s: %s is expected, found %s", name, forms[kinds], text);
	return err == 0;
}

static bool
read_addresses(struct config_reader *r, const struct yaml_node *n, const char *name,
	struct address *out, size_t *count)
{
	const struct yaml_node *c = yaml_first(n);
	bool ok = true;

	if (!c)
		diag_at(r->d, n, "%s: the list is empty", name);
	for (; c; c = yaml_next(n, c)) {
		if (*count == CONFIG_LISTENERS_MAX) {
			diag_at(r->d, c, "%s: more than %d listeners", name,
				CONFIG_LISTENERS_MAX);
			return false;
		}
		if (!read_address(r, c, name, ADDR_UNIX | ADDR_TCP, &out[*count]))
			ok = false;
		else
			(*count)++;
	}
	return ok;
}

/* ---- kinds of tollgate.yaml ---- */

bool
config_name_ok(struct span s, size_t max)
{
	return s.n > 0 && s.n <= max && span_is_alnum(s, "._-");
}

static void
read_node_name(struct config_reader *r, const struct yaml_node *n, const char **out)
{
	if (n->kind != YAML_SCALAR || !config_name_ok(n->s, 64))
		diag_at(r->d, n,
			"node: 1 to 64 letters, digits, dots, dashes or underscores are "
			"expected");
	else
		*out = n->s.p;
}

static void
read_names(struct config_reader *r, const struct yaml_node *n, const char *what,
	const char ***out, size_t *count)
{
	const struct yaml_node *c = read_each(r->a, r->d, n, what, out, count);

	for (; c; c = yaml_next(n, c))
		if (!config_name_ok(c->s, 128))
			diag_at(r->d, c,
				"%s: letters, digits, dots, dashes or underscores are "
				"expected, found %s",
				what, c->s.p);
}

/* notify.events. The last kind of notices, a test, cannot be chosen, because it is always
 * sent. */
static void
read_events(struct config_reader *r, const struct yaml_node *n, unsigned *out)
{
	static const char *const accepted[] = { "budget", "breaker", "degraded", "pin", NULL };
	const struct yaml_node *c = read_each(r->a, r->d, n, "notify.events", NULL, NULL);
	unsigned word;

	for (; c; c = yaml_next(n, c))
		if (read_word(r->d, c, accepted, &word))
			*out |= 1u << word;
}

void
config_option_read(struct config_reader *r, const struct field *o, const struct yaml_node *n)
{
	void *at = (char *)r->cfg + o->place;
	void *aux = (char *)r->cfg + o->aux;
	uint64_t v;

	switch (o->kind) {
	case OPTION_NODE: read_node_name(r, n, at); break;
	case OPTION_NAMES: read_names(r, n, o->key, at, aux); break;
	case OPTION_WORKERS:
		if (!(n->kind == YAML_SCALAR && span_is(n->s, "auto")) &&
			read_uint(r->d, n, o->min, o->max, &v))
			*(unsigned *)at = (unsigned)v;
		break;
	case OPTION_ADDRS: read_addresses(r, n, o->key, at, aux); break;
	case OPTION_UNIX:
	case OPTION_TCP:
		if (read_address(
			    r, n, o->key, o->kind == OPTION_UNIX ? ADDR_UNIX : ADDR_TCP, at) &&
			o->aux)
			*(bool *)aux = true;
		break;
	case OPTION_CREDENTIALS: credentials_read(r->a, r->d, n, at, aux); break;
	case OPTION_ANCHORS: anchors_read(r->a, r->d, n, at, aux); break;
	case OPTION_LIST: *(void **)at = fields_list(r->a, r->d, n, o->of, aux); break;
	case OPTION_EVENTS: read_events(r, n, at); break;
	case OPTION_OTLP: otlp_config_read(r->a, r->d, n, at); break;
	case OPTION_ADMIN_USERS: admin_users_read(r->a, r->d, n, at, aux); break;
	case OPTION_ADMIN_TLS:
		admin_tls_read(r->a, r->d, n, at);
		n = r->cfg->admin_tls_section.listen;
		if (n && read_address(r, n, "admin.tls.listen", ADDR_TCP, &r->cfg->admin_tls))
			r->cfg->has_admin_tls = true;
		break;
	default: field_read(r->a, r->d, n, o, at, "");
	}
}

/* ---- comparing two configurations ---- */

bool
config_option_same(const struct field *o, const struct config *x, const struct config *y)
{
	const void *a = (const char *)x + o->place, *b = (const char *)y + o->place;
	const struct address *aa = a, *bb = b;
	size_t n = *(const size_t *)(const void *)((const char *)x + o->aux),
	       m = *(const size_t *)(const void *)((const char *)y + o->aux);

	switch (o->kind) {
	case OPTION_NODE: return str_same(x->node, y->node);
	case OPTION_UNIX:
	case OPTION_TCP: return str_same(aa->text, bb->text);
	case OPTION_WORKERS: return x->workers == y->workers;
	case OPTION_EVENTS: return x->notify_events == y->notify_events;
	case OPTION_ANCHORS:
	case OPTION_LIST:
		return fields_same_list(
			o->of, *(const void *const *)a, n, *(const void *const *)b, m);
	case OPTION_OTLP: return fields_same(o->of, a, b) && x->otlp.ratio == y->otlp.ratio;
	case OPTION_ADMIN_TLS:
		return fields_same(o->of, a, b) &&
		       str_same(x->admin_tls.text, y->admin_tls.text);
	case OPTION_ADDRS: break;
	default: return field_same(o, x, y);
	}
	if (n != m)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!str_same(aa[i].text, bb[i].text))
			return false;
	return true;
}
