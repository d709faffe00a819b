/** The package has no types of its own; of all that it can do, this is what is used. */
declare module 'jstat' {
  const jstat: { jStat: { binomial: { /** P(X <= successes). */ cdf(successes: number, trials: number, probability: number): number } } }
  export default jstat
}
