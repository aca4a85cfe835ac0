/*
 * What the running kernel can enforce, asked of it directly: no library of Cofferdam and no crate stands in between.
 * It prints `name value` lines for vm-tests/kernels.toml to be compared with, and changes nothing but itself.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

/* The same on every architecture; headers older than the kernel under test may lack them. */
#ifndef __NR_close_range
#define __NR_close_range 436
#endif
#ifndef __NR_landlock_create_ruleset
#define __NR_landlock_create_ruleset 444
#endif
#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#endif
#define LANDLOCK_CREATE_RULESET_VERSION 1U
#define MDWE_REFUSE_EXEC_GAIN 1UL

static long landlock_abi(void)
{
	long abi = syscall(__NR_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	return abi < 0 ? 0 : abi;
}

static int has_seccomp_action(unsigned int action)
{
	return syscall(__NR_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

/* The security modules in force, in the kernel's order. */
static void print_lsm(void)
{
	char list[256] = "?";
	FILE *file = fopen("/sys/kernel/security/lsm", "r");

	if (file == NULL || fgets(list, sizeof list, file) == NULL)
		perror("/sys/kernel/security/lsm");
	printf("lsm %s\n", list);
}

int main(void)
{
	struct utsname name;

	if (uname(&name) != 0)
		return 1;
	print_lsm();
	printf("release %s\n", name.release);
	printf("landlock_abi %ld\n", landlock_abi());
	printf("seccomp_user_notification %d\n", has_seccomp_action(SECCOMP_RET_USER_NOTIF));
	printf("close_range %d\n", syscall(__NR_close_range, 1000, 1001, 0) == 0);
	printf("memory_deny_write_execute %d\n", prctl(PR_SET_MDWE, MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) == 0);
	return 0;
}
