/* The table of tollgate.yaml's options: feeds parsing, defaults and the manual. */
#ifndef POLICY_CONFIG_OPTIONS_H
#define POLICY_CONFIG_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

enum option_kind {
	OPT_TEXT,
	OPT_PATH, /* relative ones count from the file's folder */
	OPT_NODE,
	OPT_NAMES,
	OPT_REDIS,
	OPT_BOOL,
	OPT_DURATION, /* microseconds */
	OPT_SIZE,     /* bytes */
	OPT_U64,
	OPT_UNSIGNED,
	OPT_WORKERS,
	OPT_ADDRS,
	OPT_UNIX,
	OPT_TCP,
	OPT_WORD, /* its index among the words */
	OPT_CREDENTIALS,
	OPT_ANCHORS,
	OPT_WITNESS_LOGS,
	OPT_AUDITORS,
	OPT_OTLP,
	OPT_ADMIN_TLS,
	OPT_ADMIN_USERS,
	OPT_WEBHOOK,
	OPT_EVENTS,
};

struct config_option {
	const char *name; /* "agent.listen": key of a section, one level */
	enum option_kind kind;
	size_t place;	      /* offset in struct config */
	const char *fallback; /* as written in the file; NULL: unset */
	uint64_t min, max;    /* durations in microseconds, sizes in bytes */
	size_t aux;	      /* offset of the count or of the "is set" flag; 0: none */
	const char *const *words; /* of OPT_WORD; NULL ends them */
	const char *help;
};

extern const struct config_option config_options[];
extern const size_t config_option_count;

#endif
