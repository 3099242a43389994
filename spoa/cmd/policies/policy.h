/* The subcommands of `tollgate policy`. */
#ifndef CMD_POLICIES_POLICY_H
#define CMD_POLICIES_POLICY_H

int policy_test(int argc, char **argv);
int policy_diff(int argc, char **argv);
int policy_replay(int argc, char **argv);

#endif
