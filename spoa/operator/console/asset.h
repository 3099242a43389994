/* The console's files, compiled in, for GET /console/…. If the chart library was not available
 * at build time, uplot.js is a placeholder, and the page shows numbers in tables. */
#ifndef OPERATOR_CONSOLE_ASSET_H
#define OPERATOR_CONSOLE_ASSET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/span.h"

/* A compiled-in file. */
struct console_file {
	/* path in the source tree, for example "spoa/operator/console/views/now.js" */
	const char *name;
	const char *text;
	size_t n;
};
extern const struct console_file console_files[];
extern const size_t console_files_count;

enum { CONSOLE_ETAG_BYTES = 2 + 32 + 1 };

/* A file as it is served. */
struct console_asset {
	struct span text; /* valid as long as the program runs */
	const char *type; /* Content-Type */
	/* A quoted hash of the bytes. Browsers revalidate each file at each use (Cache-Control:
	 * no-cache), so files of two versions are never mixed. */
	char etag[CONSOLE_ETAG_BYTES];
};

/* Finds a file by the path after "/console/"; empty: index.html. Returns false if there is no
 * such file. Any thread. */
bool console_asset(const char *path, struct console_asset *out);

/* The Content-Security-Policy of all responses: the sources that the page may load and run, and that no page may frame it. */
#define CONSOLE_CSP                                                                            \
	"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "        \
	"img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

#endif
