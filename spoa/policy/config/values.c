/* Reads the kinds of values that only tollgate.yaml has: addresses, names, lists and
 * telemetry.otlp ({url, headers_file, ratio, metrics_every, ca, gzip}). Also compares options
 * of two configurations, for reloads. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/among.h"
#include "base/ascii.h"
#include "base/err.h"
#include "base/fetch/http_client.h"
#include "policy/config/load.h"
#include "policy/config/options.h"
#include "policy/config/otlp.h"
#include "policy/config/read.h"
#include "policy/config/rows.h"

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

/* ---- options ---- */

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

/* ---- single kinds ---- */

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
