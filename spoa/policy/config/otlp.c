/* telemetry: {otlp: {url, headers_file, ratio, metrics_every, ca, gzip}} */
#include "policy/config/otlp.h"

#include <stdlib.h>
#include <string.h>

#include "base/ascii.h"
#include "base/fetch/http_client.h"
#include "policy/config/read.h"
#include "policy/config/rows.h"

enum { URL_MAX = 2048 };

static const char *
collector_wrong(const char *text)
{
	const char *why = http_url_check(text);

	return why			? why
	       : strchr(text, '?')	? "a query: /v1/traces is added to what is given"
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

void
otlp_config_read(
	struct arena *a, struct diag *d, const struct yaml_node *n, struct otlp_config *out)
{
	const struct yaml_node *ratio = yaml_get(n, "ratio");

	*out = (struct otlp_config){ .at = n, .metrics_every_us = 60 * SECOND_US };
	if (!fields_read(a, d, n, &otlp_section, out))
		return;
	if (ratio) {
		/* "0", "0.05", "1": a share. */
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
			"telemetry.otlp: headers_file: a secret goes by https:// or unix:, or "
			"to this machine");
}
