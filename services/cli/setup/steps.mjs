/**
 * What set-up sees to, in order.
 */
import { chromium, nftables, redis } from './debian-tools.mjs'
import { node24, nodePackages } from './node-packages.mjs'
import { postgresql } from './postgresql.mjs'
import { prometheus, promtool } from './prometheus.mjs'
import { pythonPackages } from './python-environment.mjs'
import { locust, natsServer } from './python-tools.mjs'

/**
 * @typedef {object} Step
 * @property {string} name
 * @property {'everything' | 'demo' | 'tests'} neededFor what does not work without it; set-up fails unless it is tests alone
 * @property {() => string | undefined} present quick: what is there already, or undefined
 * @property {(say: (doing: string) => void) => Promise<void>} provide
 */

/** @type {readonly Step[]} */
export const steps = [nodePackages, node24, pythonPackages, natsServer, locust, prometheus, promtool, postgresql, redis, nftables, chromium]
