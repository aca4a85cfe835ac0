/* A module that is linked dynamically: it shows that its loader and its libc were found. */
#include <stdio.h>

int main(void)
{
	puts("linked dynamically");
	return 0;
}
