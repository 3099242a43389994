/* The console's files, compiled in: what GET /console/… answers with. Where the library of
 * charts was not to be had at the build, uplot.js is a stand-in, and the page shows numbers in
 * tables. */
#ifndef OPERATOR_CONSOLE_ASSET_H
#define OPERATOR_CONSOLE_ASSET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/span.h"

struct console_file {
	const char *name; /* "spoa/operator/console/views/now.js" */
	const char *text;
	size_t n;
};
extern const struct console_file console_files[];
extern const size_t console_files_count;

enum { CONSOLE_ETAG_BYTES = 2 + 32 + 1 };

struct console_asset {
	struct span text; /* lives as long as the program */
	const char *type; /* Content-Type */
	/* Quoted, of the bytes: an answer may be kept, and is asked for anew each time
	 * (Cache-Control: no-cache), so that a new program's page is never mixed with an old
	 * one's. */
	char etag[CONSOLE_ETAG_BYTES];
};

/* path: what follows "/console/"; empty is index.html. False: no such file. Any thread. */
bool console_asset(const char *path, struct console_asset *out);

/* Everything that the page may load, run and be framed by: the answer's
 * Content-Security-Policy. */
#define CONSOLE_CSP                                                                            \
	"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "        \
	"img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

#endif
