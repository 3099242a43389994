/* The speech in a sound of a request: which transcriber is asked, and what it returned. Used by
 * step_files.c. */
#ifndef GATE_FILES_SPEECH_H
#define GATE_FILES_SPEECH_H

#include <sodium.h>

#include "gate/files/files.h"
#include "gate/memo.h"
#include "gate/sources/transcribe.h"
#include "policy/transcriber.h"
#include "scan/media/sound.h"
#include "scan/speech/transcript.h"

/* One sound for a transcriber: the whole file, or one channel of it. */
struct heard {
	struct file *file;
	struct span sound; /* in the arena of scan.files, until it was sent */
	/* the key of the remembered transcript, then the key that encrypts it */
	unsigned char key[MEMO_KEY + crypto_secretbox_KEYBYTES];
	bool answered, remembered;
	const char *why;    /* why there is no transcript; NULL: there is one */
	struct span answer; /* in the arena of scan.files */
	/* the texts of the file that come from it: [text, text + ntexts); pieces of the first
	 */
	size_t text, ntexts, npieces;
	struct transcript_piece *pieces;
};

/* owner: the request, in its arena */
struct speech {
	const struct transcriber *by; /* NULL: none is asked */
	struct sound sound;
	struct span
		language; /* as the transcriber states it, in lower case; empty: not stated */
	bool uncertain;	  /* words of low probability */
	bool silent;	  /* the transcriber doubts that a piece is speech */
	struct heard *heard;
	size_t nheard;
};

/* Returns true if the body has a sound that the policy lets transcribe, so that the request
 * waits for the relay. */
bool speech_waits(const struct request *r, enum file_magic kind);
/* Chooses the transcriber of a decoded sound. Sets f->speech, or f->why. Returns 0 or
 * ERR_NOMEM. */
int speech_plan(struct request *r, struct file *f, enum file_magic kind);
/* Fills an ask for the sound `i`, or returns false: a remembered transcript answers it. */
bool speech_ask(struct request *r, struct file *f, size_t i, struct extract_ask *a);
/* Takes the response. */
void speech_answered(struct request *r, struct heard *h, const char *why, struct span answer);
/* Adds the transcripts to the texts of the file. Returns 0 or ERR_NOMEM. */
int speech_take(struct request *r, struct file *f);

/* Returns true, with the time in ms, if the text of this segment was spoken. `at`: offset in
 * it. */
bool speech_time(const struct request *r, const struct file *f, const struct segment *s,
	size_t at, uint64_t *ms);
/* Returns the redacted transcript as a JSON string, in the request's arena; p NULL: out of
 * memory. */
struct span speech_written(struct request *r, const struct file *f);

/* ---- sounds of responses ---- */

/* The transcripts of all sounds together. Views last for the call. */
struct heard_answer {
	const char *why; /* why a sound has none; NULL: each has one */
	bool passes;	 /* on_failure: permit of the transcriber: `why` is no reason to deny */
	struct span text;
	struct span words[4]; /* as of prompt.speech */
	size_t nwords;
};
typedef void heard_answer_fn(void *arg, const struct heard_answer *h);
/* Notes the transcriber of the response's sounds, while the request's facts exist. Returns 0 or
 * ERR_NOMEM. */
int speech_of_answer_plan(struct request *r);
/* Asks for the transcripts. done() runs once: on the loop, or, if nobody can be asked, within this
 * call. The sounds must live until then. */
void speech_of_answer(struct request *r, const struct span *sounds, size_t n,
	heard_answer_fn *done, void *arg);

/* The facts prompt.speech (appended to *words, in the request's arena) and
 * prompt.speech_seconds. Returns 0 or ERR_NOMEM. */
int speech_facts(struct request *r);

#endif
