/* The server of tollgate-extract: HTTP/1.1 on a unix socket, a cage for each file. */
#ifndef EXTRACT_SERVER_H
#define EXTRACT_SERVER_H

#include "extract/cage.h"
#include "extract/job.h"

struct server_setup {
	struct cage cage;
	unsigned jobs;	       /* without OCR, at once */
	bool tools[JOB_TOOLS]; /* which are there */
};

/* Serves on a listening socket until SIGTERM or SIGINT; exit code. */
int extract_serve(int listener, const struct server_setup *setup);

#endif
