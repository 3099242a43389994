/* The server of tollgate-extract: HTTP/1.1 on a unix socket, with a cage for each file. */
#ifndef EXTRACT_SERVER_H
#define EXTRACT_SERVER_H

#include "extract/cage.h"
#include "extract/job.h"

/* Settings of the server. Immutable while it runs. */
struct server_setup {
	struct cage cage;
	unsigned jobs;	       /* concurrent files without OCR */
	bool tools[JOB_TOOLS]; /* tools that were found */
};

/* Serves a listening socket until SIGTERM or SIGINT. Returns an exit code. */
int extract_serve(int listener, const struct server_setup *setup);

#endif
