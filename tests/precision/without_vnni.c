/* Hides the dot products of 8 bits (VNNI, AMX) of an x86-64 processor from the process that preloads this library.
 *
 * ONNX Runtime picks its kernels by CPUID and has no option to restrict them. Linux lets a process make CPUID fault
 * (arch_prctl ARCH_SET_CPUID, on processors with `cpuid_fault`); the handler executes it and clears bits of the answer.
 * The library ends the process with status 77 where that cannot be had. With WITHOUT_AVX512 set it hides AVX-512 too: a
 * processor with AVX2 is left.
 *
 *     cc -shared -fPIC -o without_vnni.so without_vnni.c
 *     LD_PRELOAD=./without_vnni.so WITHOUT_AVX512=1 python ...
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

enum { ARCH_SET_CPUID = 0x1012, UNAVAILABLE = 77 };

typedef int (*set_action)(int, const struct sigaction *, struct sigaction *);

static set_action system_action;
static int without_avx512;

static int allow_cpuid(int allowed) { return syscall(SYS_arch_prctl, ARCH_SET_CPUID, allowed) != 0; }

static void on_fault(int number, siginfo_t *info, void *context)
{
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    const uint8_t *code = (const uint8_t *)registers[REG_RIP];
    uint32_t leaf = registers[REG_RAX], part = registers[REG_RCX], a, b, c, d;
    (void)info;
    if (code[0] != 0x0f || code[1] != 0xa2) { /* a fault of another kind: let it end the process */
        struct sigaction standard = {.sa_handler = SIG_DFL};
        system_action(number, &standard, 0);
        return;
    }
    allow_cpuid(1);
    __asm__ volatile("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(leaf), "c"(part));
    allow_cpuid(0);
    if (leaf == 7 && part == 0) {
        c &= ~(1u << 11);                             /* AVX512_VNNI */
        d &= ~(1u << 22 | 1u << 24 | 1u << 25);       /* AMX-BF16, AMX-TILE, AMX-INT8 */
        if (without_avx512) {
            b &= ~(1u << 16 | 1u << 17 | 1u << 21);   /* F, DQ, IFMA */
            b &= ~(1u << 28 | 1u << 30 | 1u << 31);   /* CD, BW, VL */
            c &= ~(1u << 1 | 1u << 6 | 1u << 12 | 1u << 14); /* VBMI, VBMI2, BITALG, VPOPCNTDQ */
            d &= ~(1u << 2 | 1u << 3 | 1u << 8 | 1u << 23);  /* 4VNNIW, 4FMAPS, VP2INTERSECT, FP16 */
        }
    } else if (leaf == 7 && part == 1) {
        a &= ~(1u << 4 | 1u << 5 | 1u << 21);         /* AVX-VNNI, AVX512_BF16, AMX-FP16 */
        d &= ~(1u << 4 | 1u << 10 | 1u << 19);        /* AVX-VNNI-INT8, AVX-VNNI-INT16, AVX10 */
    }
    registers[REG_RAX] = a;
    registers[REG_RBX] = b;
    registers[REG_RCX] = c;
    registers[REG_RDX] = d;
    registers[REG_RIP] += 2;
}

/* Programs that handle the signal themselves, as compilers and Python's faulthandler do, keep this handler. */
int sigaction(int number, const struct sigaction *action, struct sigaction *old)
{
    return system_action(number, number == SIGSEGV ? 0 : action, old);
}

__sighandler_t signal(int number, __sighandler_t handler)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART}, old;
    return sigaction(number, &action, &old) ? SIG_ERR : old.sa_handler;
}

__attribute__((constructor)) static void start(void)
{
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK};
    system_action = (set_action)dlsym(RTLD_NEXT, "sigaction");
    without_avx512 = getenv("WITHOUT_AVX512") != 0;
    if (system_action(SIGSEGV, &action, 0) || allow_cpuid(0))
        _exit(UNAVAILABLE);
}
