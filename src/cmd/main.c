#include <stdio.h>

#include "base/base.h"

int main(int argc, char **argv)
{
    printf("nikawa %s\n", NK_VERSION);
    return 0;
}
