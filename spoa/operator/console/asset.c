/* Finds the console's files by name, in a table of about thirty rows. The ETag is computed at
 * each request, from at most 60 KB. */
#include "operator/console/asset.h"

#include <stdio.h>
#include <string.h>

#include "base/sha256.h"

/* clang-format off */
static const struct { const char *end, *type; } types[] = {
	{ ".html", "text/html; charset=utf-8" },
	{ ".js",   "text/javascript; charset=utf-8" },
	{ ".css",  "text/css; charset=utf-8" },
	{ ".svg",  "image/svg+xml" },
};
/* clang-format on */

/* Returns the name under which a file is served: "views/now.js" for
 * "spoa/operator/console/views/now.js", "uplot.js" for "build/charts/uplot.js". */
static const char *
served_as(const char *name)
{
	const char *own = strstr(name, "console/");
	const char *last = strrchr(name, '/');

	return own ? own + strlen("console/") : last ? last + 1 : name;
}

bool
console_asset(const char *path, struct console_asset *out)
{
	unsigned char hash[SHA256_BYTES];

	if (!*path)
		path = "index.html";
	for (size_t i = 0; i < console_files_count; i++) {
		const struct console_file *f = &console_files[i];
		const char *end = strrchr(f->name, '.');

		if (strcmp(path, served_as(f->name)))
			continue;
		out->text = (struct span){ f->text, f->n };
		out->type = "application/octet-stream";
		for (size_t t = 0; end && t < COUNT_OF(types); t++)
			if (!strcmp(end, types[t].end))
				out->type = types[t].type;
		sha256(out->text, hash);
		char *to = out->etag;
		*to++ = '"';
		for (size_t h = 0; h < 16; h++)
			to += sprintf(to, "%02x", hash[h]);
		memcpy(to, "\"", 2);
		return true;
	}
	return false;
}
