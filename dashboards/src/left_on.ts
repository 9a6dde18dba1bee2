// How many places were left on: the number beside 巡检 in the navigation.
//
// Whichever page fetched it last says it; the page that knows nothing asks for nothing.

import { ref } from 'vue';

export const leftOn = ref(0);
