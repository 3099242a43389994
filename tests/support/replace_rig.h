/* Logs the disk operations of base/replace.h and makes one of its steps fail. This also works
 * in a child of the test, because the log is a file. Include after cmocka's header. */
#ifndef SUPPORT_REPLACE_RIG_H
#define SUPPORT_REPLACE_RIG_H

#include <limits.h>

#include "base/replace.h"

enum replace_step { REPLACE_NONE, REPLACE_WRITE, REPLACE_SYNC, REPLACE_RENAME, REPLACE_FOLDER };

struct replace_rig {
	const char *of; /* the end of the file's path; "": any file */
	enum replace_step step;
	int sys;
	char log[PATH_MAX];
	char renamed[PATH_MAX]; /* the last renamed file */
};

extern struct replace_rig replace_rig;

/* Begins a log in this file; no step fails until the test sets one. */
void replace_rig_begin(const char *log);

/* Restores the real operations. */
void replace_rig_end(void);

/* Asserts for each renamed file that it was synced after its last write, and that its folder
 * was synced before the next rename. Returns how many files have this end. */
unsigned replace_rig_count(const char *of);

#endif
