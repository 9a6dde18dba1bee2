/// <reference types="vite/client" />

declare module 'echarts/i18n/langZH-obj.js' {
  const words: Record<string, unknown>;
  export default words;
}
