/* telemetry: {otlp: {url, headers_file, ratio, metrics_every, ca, gzip}} */
#include "policy/config/otlp.h"

#include <stdlib.h>
#include <string.h>

#include "base/ascii.h"
#include "base/fetch/http_client.h"
#include "policy/config/read.h"

enum { URL_MAX = 2048 };

/* "0", "0.05", "1": a share. */
static bool
read_ratio(struct diag *d, const struct yaml_node *n, double *out)
{
	char *end = NULL;
	double v = -1;

	if (n->kind == YAML_SCALAR && n->s.n && n->s.n < 20 && is_digit(n->s.p[0]) &&
		strspn(n->s.p, "0123456789.") == n->s.n)
		v = strtod(n->s.p, &end);
	if (v < 0 || v > 1 || *end) {
		diag_at(d, n, "telemetry.otlp: ratio: a share from 0 to 1 is expected");
		return false;
	}
	*out = v;
	return true;
}

static void
read_url(struct arena *a, struct diag *d, const struct yaml_node *n, const char **out)
{
	const char *text, *why;

	if (!read_text(d, n, "url", &text))
		return;
	why = http_url_check(text);
	if (!why && strchr(text, '?'))
		why = "a query: /v1/traces is added to what is given";
	if (!why && strlen(text) > URL_MAX)
		why = "too long";
	if (why) {
		diag_at(d, n, "telemetry.otlp: url: %s", why);
		return;
	}
	struct span s = span_str(text);
	while (s.n && s.p[s.n - 1] == '/')
		s.n--;
	*out = arena_dup(a, s).p;
}

void
otlp_config_read(
	struct arena *a, struct diag *d, const struct yaml_node *n, struct otlp_config *out)
{
	static const char *const accepted[] = { "url", "headers_file", "ratio", "metrics_every",
		"ca", "gzip", NULL };
	const struct yaml_node *v;

	memset(out, 0, sizeof(*out));
	out->at = n;
	out->metrics_every_us = 60 * SECOND_US;
	if (!read_map(d, n, "telemetry.otlp", accepted, NULL))
		return;
	if ((v = read_needed(d, n, n, "telemetry.otlp", "url")))
		read_url(a, d, v, &out->url);
	if ((v = yaml_get(n, "headers_file")))
		read_path(a, d, v, &out->headers_file);
	if ((v = yaml_get(n, "ca")))
		read_path(a, d, v, &out->ca);
	if ((v = yaml_get(n, "ratio")))
		read_ratio(d, v, &out->ratio);
	if ((v = yaml_get(n, "metrics_every")))
		read_duration_us(d, v, SECOND_US, 3600 * SECOND_US, &out->metrics_every_us);
	if ((v = yaml_get(n, "gzip")))
		read_bool(d, v, &out->gzip);
	if (out->headers_file && out->url && url_leaves_in_clear(out->url))
		diag_at(d, yaml_get(n, "headers_file"),
			"telemetry.otlp: headers_file: a secret goes by https:// or unix:, or to this machine");
}

bool
otlp_config_same(const struct otlp_config *x, const struct otlp_config *y)
{
	return str_same(x->url, y->url) && str_same(x->headers_file, y->headers_file) &&
	       str_same(x->ca, y->ca) && x->ratio == y->ratio &&
	       x->metrics_every_us == y->metrics_every_us && x->gzip == y->gzip;
}
