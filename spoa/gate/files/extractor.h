/* One worker's calls to tollgate-extract. Few files are under way at once, the others wait in
 * order. owner: worker. */
#ifndef GATE_FILES_EXTRACTOR_H
#define GATE_FILES_EXTRACTOR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/tag.h"

struct file;
struct gate;
struct request;

enum { EXTRACT_CALLS = 4 };

struct extractor {
	struct http_client *http;
	TAILQ_HEAD(, file_ask) waiting;
	unsigned running;
	size_t callers[EXTRACT_CALLS]; /* of those that run, by their slot of held bytes */
};
struct file_ask {
	struct tag tag;
	TAILQ_ENTRY(file_ask) next;
	struct request *r;
	struct file *f;
	uint64_t deadline_us;
};
void extractor_init(struct extractor *x);
void extractor_free(struct extractor *x);
void extractor_abort(struct gate *g);
/* Those that waited too long end. True: more wait. */
bool extractor_tick(struct gate *g, uint64_t now_us);
/* The file's answer comes to request_file_answered(), which never runs within this call. */
void extractor_ask(struct gate *g, struct file_ask *a);

#endif
