// Makes what works without a script more comfortable. Nothing depends on it.
(() => {
  'use strict';
  // Texts are where they are said, in the words of the page.
  const texts = () => document.getElementById('say').dataset;
  const say = (text) => { document.getElementById('say').textContent = text; };
  const locale = () => (document.documentElement.lang === 'en' ? 'en-GB' : document.documentElement.lang);

  // Copy buttons are there only if they can work.
  const offerCopies = () => {
    if (!navigator.clipboard) return;
    for (const button of document.querySelectorAll('[data-copy]')) button.hidden = false;
  };

  const copy = async (button) => {
    const label = button.textContent;
    try {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent.trim());
      button.textContent = texts().copied;
      say(texts().copied);
    } catch {
      say(texts().uncopied);
    }
    setTimeout(() => { button.textContent = label; }, 2000);
  };

  // More rows of a form, without sending it.
  const addRow = (button) => {
    const rows = button.closest('fieldset').querySelector('[data-pairs]');
    if (rows.children.length >= 20) return;
    const row = rows.lastElementChild.cloneNode(true);
    for (const field of row.children) field.value = '';
    rows.append(row);
    row.firstElementChild.focus();
  };

  document.addEventListener('click', (event) => {
    const button = event.target.closest('button');
    if (button?.dataset.copy) copy(button);
    if (button?.dataset.add !== undefined && button.closest('fieldset').querySelector('.pair')) {
      event.preventDefault();
      addRow(button);
    }
  });

  // A second click would send the form twice. The server would not act twice, but
  // the answer to the first one, with a secret in it, would be lost.
  document.addEventListener('submit', (event) => {
    const form = event.target;
    if (form.dataset.once === undefined || form.dataset.hxPost !== undefined) return;
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = 'yes';
    setTimeout(() => { delete form.dataset.sent; }, 10000);
    event.submitter?.setAttribute('aria-busy', 'true');
  });
  addEventListener('pageshow', () => {
    for (const form of document.querySelectorAll('[data-sent]')) {
      delete form.dataset.sent;
      for (const button of form.querySelectorAll('[aria-busy]')) button.removeAttribute('aria-busy');
    }
  });

  // Times are in UTC. What they are here stands beside them.
  const sayLocally = () => {
    const hour = new Intl.DateTimeFormat(locale(), { timeStyle: 'medium' });
    const day = new Intl.DateTimeFormat(locale(), { day: 'numeric', month: 'short' });
    const utcDay = new Intl.DateTimeFormat(locale(), { day: 'numeric', month: 'short', timeZone: 'UTC' });
    for (const time of document.querySelectorAll('time[datetime]:not([data-local])')) {
      const at = new Date(time.dateTime);
      time.dataset.local = '';
      if (Number.isNaN(at.valueOf()) || at.getTimezoneOffset() === 0) continue;
      const here = (day.format(at) === utcDay.format(at) ? '' : `${day.format(at)}, `) + hour.format(at);
      const said = ` (${texts().here.replace('…', here)})`;
      if (time.dataset.full === undefined) {
        time.title += said;
        continue;
      }
      const beside = document.createElement('span');
      beside.className = 'local';
      beside.textContent = said;
      time.append(beside);
    }
  };
  document.addEventListener('htmx:after:swap', sayLocally);

  // A search box over many event types, and how many of a group are chosen. What the wildcard
  // of a group covers counts as chosen with it.
  const offerSearch = (picker) => {
    const box = picker.querySelector('input[type="search"]');
    const groups = [...picker.querySelectorAll('details')];
    const before = new Map();
    box.parentElement.hidden = false;
    box.addEventListener('keydown', (event) => { if (event.key === 'Enter') event.preventDefault(); });
    box.addEventListener('input', () => {
      const wanted = box.value.trim().toLowerCase();
      let found = false;
      for (const group of groups) {
        if (!before.has(group)) before.set(group, group.open);
        let fits = false;
        for (const choice of group.querySelectorAll('.types .check')) {
          choice.hidden = !choice.textContent.toLowerCase().includes(wanted);
          fits ||= !choice.hidden;
        }
        group.hidden = !fits;
        group.open = wanted === '' ? before.get(group) : true;
        found ||= fits;
      }
      if (wanted === '') before.clear();
      picker.querySelector('[data-none] span').hidden = found;
    });
    picker.addEventListener('change', (event) => {
      const group = event.target.closest('details');
      if (!group) return;
      const covered = group.querySelector('.whole input:checked') ? '.types .check:not(.apart) input, ' : '';
      const chosen = group.querySelectorAll(`${covered}.types input:checked`);
      group.querySelector('[data-chosen]').textContent = chosen.length;
    });
  };

  document.addEventListener('DOMContentLoaded', () => {
    offerCopies();
    for (const picker of document.querySelectorAll('[data-picker]')) offerSearch(picker);
    sayLocally();
    document.querySelector('[data-focus]')?.focus();
  });
})();
