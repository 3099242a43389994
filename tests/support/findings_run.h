/* All findings of the detectors in a set of texts, as one line: source, texts, findings, hash.
 * Equal lines mean equal findings. */
#ifndef SUPPORT_FINDINGS_RUN_H
#define SUPPORT_FINDINGS_RUN_H

#include <stdio.h>

#include "bench/detect_texts.h"
#include "base/fnv.h"
#include "scan/detect/detect.h"
#include "scan/detect/engine.h"
#include "scan/detect/stream/stream.h"
#include "scan/inject/inject.h"

struct findings_run {
	struct detect_rules *rules;
	struct detect_scratch *scratch;
	struct arena arena, model;
	const struct inject *inject;
	FILE *verbose;
	const char *source;
	size_t texts, bytes, findings;
	uint64_t hash;
};

/* Adds the findings of a text to the source. */
void findings_add(struct findings_run *run, struct span text);

/* Begins a source. Its name must live until findings_end(). */
void findings_begin(struct findings_run *run, const char *source);

/* Prints the line of the source. */
void findings_end(struct findings_run *run, FILE *to);

/* The generator's texts and the examples of the rules. */
void findings_own(struct findings_run *run, FILE *to);

/* Loads the shipped rules and the injection model. `verbose`: gets a line for each finding, or
 * NULL. */
struct findings_run *findings_new(FILE *verbose);

/* Frees the rules and the run. */
void findings_free(struct findings_run *run);

#endif
