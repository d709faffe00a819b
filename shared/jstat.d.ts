/** The package has no types of its own; of all that it can do, this is what is used. */
declare module 'jstat' {
  const jstat: {
    jStat: {
      binomial: { /** P(X <= successes). */ cdf(successes: number, trials: number, probability: number): number }
      /** Natural logarithm of the gamma function. */
      gammaln(x: number): number
      /** Inverse of the regularized incomplete beta function; good to about seven digits. */
      ibetainv(probability: number, a: number, b: number): number
      /** One for each share (0 to 1) of the values, which may come in any order; as SciPy's mquantiles with 3/8. Takes two values at least. */
      quantiles(values: readonly number[], shares: readonly number[]): number[]
    }
  }
  export default jstat
}
