/* Parts of OTLP's JSON. */
#include "telemetry/otlp_json.h"

#include <inttypes.h>

#include "base/ascii.h"
#include "codec/utf8.h"

enum { PLAIN_MAX = 128 };

static void
put_key(struct buf *b, size_t *n, const char *name)
{
	buf_printf(b, "%s{\"key\":\"%s\",\"value\":", (*n)++ ? "," : "", name);
}

void
otlp_text(struct buf *b, size_t *n, const char *name, struct span value)
{
	if (!value.n || !utf8_valid(value))
		return;
	put_key(b, n, name);
	buf_str(b, "{\"stringValue\":");
	buf_json_str(b, value);
	buf_str(b, "}}");
}

void
otlp_int(struct buf *b, size_t *n, const char *name, int64_t value)
{
	put_key(b, n, name);
	buf_printf(b, "{\"intValue\":\"%" PRId64 "\"}}", value);
}

void
otlp_double(struct buf *b, size_t *n, const char *name, double value)
{
	put_key(b, n, name);
	buf_printf(b, "{\"doubleValue\":%.9g}}", value);
}

void
otlp_list(struct buf *b, size_t *n, const char *name, struct span value)
{
	if (!value.n)
		return;
	put_key(b, n, name);
	buf_str(b, "{\"arrayValue\":{\"values\":[{\"stringValue\":");
	buf_json_str(b, value);
	buf_str(b, "}]}}}");
}

void
otlp_time(struct buf *b, const char *name, int64_t ns)
{
	buf_printf(b, "\"%s\":\"%" PRId64 "\"", name, ns);
}

void
otlp_open(struct buf *b, const struct otlp_resource *r, const char *outer, const char *scope,
	const char *inner)
{
	size_t n = 0;

	buf_printf(b, "{\"%s\":[{\"resource\":{\"attributes\":[", outer);
	otlp_text(b, &n, telemetry_names[NAME_SERVICE_NAME], SPAN_LIT("tollgate"));
	otlp_text(b, &n, telemetry_names[NAME_SERVICE_INSTANCE], span_str(r->node));
	otlp_text(b, &n, telemetry_names[NAME_SERVICE_VERSION], span_str(r->version));
	buf_printf(b, "]},\"schemaUrl\":\"" NAMES_SCHEMA "\",\"%s\":[{\"scope\":{\"name\":\"tollgate\","
		      "\"version\":",
		scope);
	buf_json_str(b, span_str(r->version));
	buf_printf(b, "},\"schemaUrl\":\"" NAMES_SCHEMA "\",\"%s\":[", inner);
}

void
otlp_close(struct buf *b)
{
	buf_str(b, "]}]}]}");
}

struct span
otlp_plain(struct span name)
{
	if (name.n > PLAIN_MAX)
		return SPAN_LIT("");
	for (size_t i = 0; i < name.n; i++)
		if (!is_alnum(name.p[i]) && !memchr("-_.:/@+", name.p[i], 7))
			return SPAN_LIT("");
	return name;
}
