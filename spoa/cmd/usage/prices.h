/* Functions that the verbs of tollgate prices share. */
#ifndef CMD_USAGE_PRICES_H
#define CMD_USAGE_PRICES_H

/* Rows of a public list into a price file; an exit code. */
int prices_import(int argc, char **argv);

#endif
