/** How much this process had read from disks. */

/** In blocks of 512 bytes: getrusage(2), ru_inblock. */
export const blocksRead = (): number => process.resourceUsage().fsRead
