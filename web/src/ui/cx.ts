// cx joins the class names that are set.
export const cx = (...names: (string | false | null | undefined)[]): string => names.filter(Boolean).join(' ')
