/* Writes the parts of OTLP's JSON, and maps our dialects and endpoints to names of the GenAI
 * conventions. */
#include "operator/telemetry/otlp_json.h"

#include <inttypes.h>
#include <zlib.h>

#include "base/ascii.h"
#include "base/utf8.h"
#include "base/err.h"
#include "base/json_put.h"
#include "base/scoped.h"

enum { PLAIN_MAX = 128 };

void
otlp_text(struct buf *b, const char *name, struct span value)
{
	if (!value.n || !utf8_valid(value))
		return;
	json_put_form(b, "{'key':%t,'value':{'stringValue':%t}}", span_str(name), value);
}

void
otlp_int(struct buf *b, const char *name, int64_t value)
{
	json_put_form(b, "{'key':%t,'value':{'intValue':", span_str(name));
	buf_printf(b, "\"%" PRId64 "\"}}", value);
}

void
otlp_double(struct buf *b, const char *name, double value)
{
	json_put_form(b, "{'key':%t,'value':{'doubleValue':", span_str(name));
	buf_printf(b, "%.9g}}", value);
}

void
otlp_list(struct buf *b, const char *name, struct span value)
{
	if (!value.n)
		return;
	json_put_form(b, "{'key':%t,'value':{'arrayValue':{'values':[{'stringValue':%t}]}}}",
		span_str(name), value);
}

void
otlp_time(struct buf *b, const char *name, int64_t ns)
{
	json_put_printf(b, name, "\"%" PRId64 "\"", ns);
}

void
otlp_open(struct buf *b, const struct otlp_resource *r, const char *outer, const char *scope,
	const char *inner)
{
	json_put_form(b, "{%s:[{'resource':{'attributes':[", outer);
	otlp_text(b, telemetry_names[NAME_SERVICE_NAME], SPAN_LIT("tollgate"));
	otlp_text(b, telemetry_names[NAME_SERVICE_INSTANCE], span_str(r->node));
	otlp_text(b, telemetry_names[NAME_SERVICE_VERSION], span_str(r->version));
	json_put_form(b,
		"]},'schemaUrl':'" NAMES_SCHEMA
		"',%s:[{'scope':{'name':'tollgate','version':%t},"
		"'schemaUrl':'" NAMES_SCHEMA "',%s:[",
		scope, span_str(r->version), inner);
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

int
gzip_buf(struct buf *b)
{
	struct span s = buf_view(b);
	z_stream z = { 0 };

	if (deflateInit2(&z, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return ERR_NOMEM;
	size_t most = deflateBound(&z, s.n);
	SCOPED_BUF(out, 0);
	buf_reserve(&out, most);
	if (!buf_failed(&out)) {
		z.next_in = (Bytef *)(uintptr_t)s.p;
		z.avail_in = (uInt)s.n;
		z.next_out = (Bytef *)out.p;
		z.avail_out = (uInt)most;
		if (deflate(&z, Z_FINISH) == Z_STREAM_END) {
			buf_clear(b);
			buf_put(b, out.p, z.total_out);
		}
	}
	bool ok = z.total_out > 0 && !buf_failed(&out) && !buf_failed(b);
	deflateEnd(&z);
	return ok ? 0 : ERR_NOMEM;
}

/* ---- names, and the conventions' words for our dialects ---- */

const char *const telemetry_names[NAMES_COUNT] = {
#define X(id, name) [NAME_##id] = name,
	NAMES(X)
#undef X
};

/* clang-format off */
static const struct { const char *from, *to; } providers[] = {
	{ "openai",    "openai" },
	{ "anthropic", "anthropic" },
	{ "gemini",    "gcp.gen_ai" }, /* Vertex AI or AI Studio */
	{ "bedrock",   "aws.bedrock" },
	{ "cohere",    "cohere" },
	{ "mistral",   "mistral_ai" },
	{ "ollama",    "ollama" },     /* no well-known value exists, so this is our own word */
	{ "tgi",       "tgi" },
};
static const struct { const char *from, *to; } operations[] = {
	{ "chat",        "chat" },
	{ "responses",   "chat" },
	{ "messages",    "chat" },
	{ "converse",    "chat" },
	{ "invoke",      "chat" },
	{ "generate",    "generate_content" },
	{ "completions", "text_completion" },
	{ "embeddings",  "embeddings" },
	{ "embed",       "embeddings" },
};
/* clang-format on */

const char *
names_provider(const char *format)
{
	for (size_t i = 0; format && i < COUNT_OF(providers); i++)
		if (str_same(format, providers[i].from))
			return providers[i].to;
	return NULL;
}

const char *
names_operation(const char *format, const char *endpoint)
{
	if (!names_provider(format) || !endpoint)
		return NULL;
	for (size_t i = 0; i < COUNT_OF(operations); i++)
		if (str_same(endpoint, operations[i].from))
			return operations[i].to;
	return endpoint; /* a custom value, which the conventions allow */
}
