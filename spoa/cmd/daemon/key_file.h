/* The file of API keys, and the lock that keeps it from changing meanwhile. */
#ifndef CMD_DAEMON_KEY_FILE_H
#define CMD_DAEMON_KEY_FILE_H

#include "policy/identity/apikeys.h"

struct key_file {
	int lock;
	struct apikeys *keys;
};

/* The keys of the file, the caller's; NULL after a message. May be missing: then there are
 * none. */
struct apikeys *key_file_load(const char *file, bool may_be_missing);
/* The same, with the lock. False after a message; key_file_close in either case. */
bool key_file_open(struct key_file *f, const char *file, bool may_be_missing);
void key_file_close(struct key_file *f);
/* Writes the keys, and `extra` (NULL: none): aside, synced, renamed; a reader sees the old file
 * or the new one. An exit code, after a message where it is not EXIT_DONE. */
int key_file_save(const char *file, const struct apikeys *keys, struct apikey *extra);

#endif
